// Redis or Valkey, alone or as a cluster: GET and SET of pagejit:v1:<name>.
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/time.h>

#include <map>
#include <vector>

#include "runtime/base/text.h"
#include "runtime/cache/format.h"
#include "runtime/cache/remote.h"

namespace pagejit::cache {
namespace {
using Clock = std::chrono::steady_clock;
using Reply = std::unique_ptr<redisReply, decltype(&freeReplyObject)>;
using Words = std::vector<std::string_view>;
constexpr int most_redirections = 5;

timeval timeval_of(Milliseconds ms) {
  return {static_cast<time_t>(ms.count() / 1000), static_cast<suseconds_t>(ms.count() % 1000 * 1000)};
}

/// One connection, and one command at a time on it. hiredis' own deadline is one for each read, so that a server which
/// sends a byte now and then would hold us for ever: this one waits itself.
class Connection {
 public:
  Connection(const std::string& host, int port, StoreOptions options)
      : options_(options),
        redis_(redisConnectWithTimeout(host.c_str(), port, timeval_of(options.connect)), &redisFree) {
    if (!redis_ || redis_->err) throw StoreFailed(redis_ ? redis_->errstr : "no memory");
    redisSetTimeout(redis_.get(), timeval_of(options.request));
  }

  Reply run(const Words& words, Transfer& transfer) {
    auto end = Clock::now() + options_.request;
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (std::string_view word : words) texts.push_back(word.data()), sizes.push_back(word.size());
    redisAppendCommandArgv(redis_.get(), static_cast<int>(words.size()), texts.data(), sizes.data());
    for (int done = 0; !done;) {
      wait_for(POLLOUT, end, transfer);
      check(redisBufferWrite(redis_.get(), &done));
    }
    for (void* reply = nullptr;;) {
      check(redisGetReplyFromReader(redis_.get(), &reply));
      if (reply) return Reply(static_cast<redisReply*>(reply), &freeReplyObject);
      wait_for(POLLIN, end, transfer);
      check(redisBufferRead(redis_.get()));
      transfer.received = redis_->reader->len;
      if (transfer.received > most_total + 1024) throw StoreFailed("the answer is too large");
    }
  }

 private:
  void check(int status) const {
    if (status != REDIS_OK) throw StoreFailed(redis_->errstr);
  }
  void wait_for(short what, Clock::time_point end, const Transfer& transfer) const {
    constexpr int step = 20;  // ms, in which an abandoned request ends
    pollfd one{redis_->fd, what, 0};
    do {
      if (transfer.abandoned || Clock::now() > end) throw StoreFailed("the server does not answer in time");
    } while (poll(&one, 1, step) <= 0);
  }

  StoreOptions options_;
  std::unique_ptr<redisContext, decltype(&redisFree)> redis_;
};

class RedisStore : public Store {
 public:
  RedisStore(const RemoteUrl& url, StoreOptions options) : url_(url), options_(options) {}

  std::optional<std::string> get(const std::string& name, Transfer& transfer) override {
    Reply reply = ask({"GET", key(name)}, transfer);
    if (reply->type == REDIS_REPLY_NIL) return std::nullopt;
    if (reply->type != REDIS_REPLY_STRING) throw StoreFailed("the server answers with something that is no text");
    return std::string(reply->str, reply->len);
  }

  void put(const std::string& name, std::string_view bytes, Transfer& transfer) override {
    ask({"SET", key(name), std::string(bytes)}, transfer);
  }

  bool claim(const std::string& name, Milliseconds lease, Transfer& transfer) override {
    return ask({"SET", key(name), "1", "NX", "PX", std::to_string(lease.count())}, transfer)->type != REDIS_REPLY_NIL;
  }

 private:
  static std::string key(const std::string& name) { return "pagejit:v1:" + name; }

  /// A connection that failed once is dropped, and made anew for the next request: the server may have been restarted.
  Reply ask(const std::vector<std::string>& words, Transfer& transfer) {
    bool known = !nodes_.empty();
    try {
      return follow(words, transfer);
    } catch (const StoreFailed&) {
      nodes_.clear();
      // A kept connection that the other side has closed says nothing about the server.
      if (!known || transfer.abandoned || transfer.received > 0) throw;
    }
    return follow(words, transfer);
  }

  Reply follow(const std::vector<std::string>& words, Transfer& transfer) {
    std::string address = home();
    bool asking = false;
    for (int hop = 0; hop <= most_redirections; ++hop) {
      Connection& node = connect(address, transfer);
      if (asking) node.run({"ASKING"}, transfer);
      Reply reply = node.run(Words(words.begin(), words.end()), transfer);
      if (reply->type != REDIS_REPLY_ERROR) return reply;
      std::string_view error(reply->str, reply->len);
      asking = error.starts_with("ASK ");
      if (!asking && !error.starts_with("MOVED "))
        throw StoreFailed("the server says: " + std::string(error.substr(0, 80)));
      address = redirection(error, address);
    }
    throw StoreFailed("the cluster's redirections do not end");
  }

  /// "MOVED 3999 10.0.0.1:6381"; without a host it is the one that was asked.
  std::string redirection(std::string_view error, const std::string& asked) const {
    std::vector<std::string_view> words = split(error, ' ');
    std::size_t colon = words.size() == 3 ? words[2].rfind(':') : std::string_view::npos;
    if (colon == std::string_view::npos) throw StoreFailed("the cluster's redirection has no address");
    std::string host(words[2].substr(0, colon));
    // Whoever chose a server on this machine did not choose a plain connection to another one.
    if (!host.empty() && is_loopback(url_.host) && !is_loopback(host))
      throw StoreFailed("the cluster leads from this machine to another");
    return (host.empty() ? asked.substr(0, asked.rfind(':')) : host) + std::string(words[2].substr(colon));
  }

  std::string home() const { return url_.host + ":" + std::to_string(url_.port); }

  Connection& connect(const std::string& address, Transfer& transfer) {
    auto known = nodes_.find(address);
    if (known != nodes_.end()) return known->second;
    std::size_t colon = address.rfind(':');
    std::optional<std::uint64_t> port = parse_count(address.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) throw StoreFailed("the cluster's redirection has no port");
    Connection fresh(address.substr(0, colon), static_cast<int>(*port), options_);
    auto expect_ok = [&](const Words& words) {
      if (fresh.run(words, transfer)->type == REDIS_REPLY_ERROR)
        throw StoreFailed("the server refuses " + std::string(words[0]));
    };
    if (!url_.password.empty())
      expect_ok(url_.user.empty() ? Words{"AUTH", url_.password} : Words{"AUTH", url_.user, url_.password});
    if (url_.path.size() > 1 && url_.path != "/0") expect_ok({"SELECT", std::string_view(url_.path).substr(1)});
    transfer.received = 0;
    return nodes_.emplace(address, std::move(fresh)).first->second;
  }

  RemoteUrl url_;
  StoreOptions options_;
  std::map<std::string, Connection> nodes_;
};
}  // namespace

std::unique_ptr<Store> open_redis_store(const RemoteUrl& url, StoreOptions options) {
  return std::make_unique<RedisStore>(url, options);
}

}  // namespace pagejit::cache
