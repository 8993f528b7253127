#include "runtime/cache/remote.h"

#include <charconv>

namespace pagejit::cache {
namespace {
[[noreturn]] void unusable(const std::string& what) {
  fail(Code::argument, "the address of the remote store cannot be used: " + what,
       {{"expected", "file:/dir, http(s)://host/prefix or redis://host:port/db (PAGEJIT_REMOTE)"},
        {"instead", "no remote store is asked"}});
}

/// Cuts off `text` what stands before `mark`, and the mark; nothing where there is none.
std::string cut(std::string_view& text, std::string_view mark) {
  std::size_t at = text.find(mark);
  if (at == text.npos) return {};
  std::string before(text.substr(0, at));
  text.remove_prefix(at + mark.size());
  return before;
}

int port_of(std::string_view digits) {
  int port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port < 1 || port > 65535)
    unusable("its port is no number from 1 to 65535");
  return port;
}

void take_host(RemoteUrl& url, std::string_view text) {
  bool bracket = text.starts_with('[');
  std::size_t end = bracket ? text.find(']') : text.find(':');
  if (bracket && end == text.npos) unusable("a bracket is open");
  url.host = text.substr(bracket, end == text.npos ? end : end - bracket);
  std::string_view rest = end == text.npos ? std::string_view() : text.substr(end + bracket);
  if (url.host.empty() || (!rest.empty() && rest[0] != ':')) unusable("it names no host");
  if (!rest.empty()) url.port = port_of(rest.substr(1));
}

int usual_port(std::string_view scheme) {
  return scheme == "redis" ? 6379 : scheme == "https" ? 443 : 80;
}
}  // namespace

RemoteUrl RemoteUrl::parse(std::string_view text) {
  RemoteUrl url;
  url.text = text;
  if (text.starts_with("file:")) {
    text.remove_prefix(5);
    if (text.starts_with("//")) text.remove_prefix(2);
    if (!text.starts_with('/')) unusable("a folder must begin with a slash");
    url.scheme = "file";
    url.path = text;
    return url;
  }
  url.scheme = cut(text, "://");
  if (url.scheme != "http" && url.scheme != "https" && url.scheme != "redis")
    unusable("it is of no kind that is known");
  std::size_t end = text.find_first_of("/?#");
  std::string_view authority = text.substr(0, end), rest = end == text.npos ? "" : text.substr(end);
  if (std::size_t at = authority.rfind('@'); at != authority.npos) {
    std::string_view who = authority.substr(0, at);
    std::size_t colon = who.find(':');
    url.user = who.substr(0, colon);
    if (colon != who.npos) url.password = who.substr(colon + 1);
    authority.remove_prefix(at + 1);
  }
  url.port = usual_port(url.scheme);
  take_host(url, authority);
  rest = rest.substr(0, rest.find('#'));
  std::size_t question = rest.find('?');
  url.path = rest.substr(0, question);
  if (question != rest.npos) url.query = rest.substr(question);
  while (url.path.ends_with('/')) url.path.pop_back();
  return url;
}

std::string RemoteUrl::shown() const {
  if (scheme == "file") return "file:" + path;
  std::string name = host.find(':') == host.npos ? host : "[" + host + "]";
  return scheme + "://" + name + (port == usual_port(scheme) ? "" : ":" + std::to_string(port)) + path;
}

bool is_loopback(std::string_view host) {
  // Numbers only: "127.example.org" is somebody else's.
  bool numbers = host.find_first_not_of("0123456789.") == host.npos;
  return host == "localhost" || host == "::1" || (numbers && host.starts_with("127."));
}

namespace {
using Opener = std::unique_ptr<Store> (*)(const RemoteUrl&, StoreOptions);

Opener opener_for(const RemoteUrl& url) {
  if (url.scheme == "file") return &open_file_store;
#ifdef PAGEJIT_WITH_HTTP
  if (url.scheme.starts_with("http")) return &open_http_store;
#endif
#ifdef PAGEJIT_WITH_REDIS
  if (url.scheme == "redis") return &open_redis_store;
#endif
  fail(Code::absent, "this build has no " + url.scheme + " stores",
       {{"store", url.shown()},
        {"looked for", "libcurl and hiredis, when pagejit was built (PAGEJIT_WITH_HTTP, PAGEJIT_WITH_REDIS)"},
        {"instead", "no remote store is asked"}});
}
}  // namespace

void require_supported(const RemoteUrl& url) {
  opener_for(url);
}

std::unique_ptr<Store> open_store(const RemoteUrl& url, StoreOptions options) {
  return opener_for(url)(url, options);
}

}  // namespace pagejit::cache
