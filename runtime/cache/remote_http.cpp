// A web server or an object store: GET and PUT of <prefix>/v1/<name>.
#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "runtime/cache/format.h"
#include "runtime/cache/remote.h"

namespace pagejit::cache {
namespace {
class HttpStore : public Store {
 public:
  HttpStore(const RemoteUrl& url, StoreOptions options) : url_(url), options_(options) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    curl_ = curl_easy_init();
    if (!curl_) throw StoreFailed("libcurl cannot be started");
  }
  ~HttpStore() override { curl_easy_cleanup(curl_); }
  HttpStore(const HttpStore&) = delete;

  std::optional<std::string> get(const std::string& name, Transfer& transfer) override {
    Request request{transfer, {}, {}};
    prepare(name, request);
    long status = perform();
    if (status == 404 || status == 410) return std::nullopt;
    if (status != 200) throw StoreFailed("the server answers with status " + std::to_string(status));
    return std::move(request.in);
  }

  void put(const std::string& name, std::string_view bytes, Transfer& transfer) override {
    Request request{transfer, {}, bytes};
    prepare(name, request);
    curl_easy_setopt(curl_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes.size()));
    curl_easy_setopt(curl_, CURLOPT_READFUNCTION, &give);
    curl_easy_setopt(curl_, CURLOPT_READDATA, &request);
    // Without it libcurl waits a second for a server that knows no "100 Continue".
    curl_slist* headers = curl_slist_append(nullptr, "Expect:");
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> hold(headers, &curl_slist_free_all);
    long status = perform();
    if (status < 200 || status > 299)
      throw StoreFailed("the server refuses to store: status " + std::to_string(status));
  }

 private:
  struct Request {
    Transfer& transfer;
    std::string in;
    std::string_view out;
  };

  static std::size_t take(char* data, std::size_t, std::size_t bytes, void* self) {
    auto& request = *static_cast<Request*>(self);
    if (request.in.size() + bytes > most_total) return 0;  // which ends the transfer
    request.in.append(data, bytes);
    request.transfer.received = request.in.size();
    return bytes;
  }
  static std::size_t give(char* room, std::size_t, std::size_t bytes, void* self) {
    auto& request = *static_cast<Request*>(self);
    std::size_t part = std::min(bytes, request.out.size());
    std::memcpy(room, request.out.data(), part);
    request.out.remove_prefix(part);
    return part;
  }
  static int progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Request*>(self)->transfer.abandoned ? 1 : 0;
  }

  void prepare(const std::string& name, Request& request) {
    curl_easy_reset(curl_);  // keeps the connection
    std::string host = url_.host.find(':') == std::string::npos ? url_.host : "[" + url_.host + "]";
    std::string address =
        url_.scheme + "://" + host + ":" + std::to_string(url_.port) + url_.path + "/v1/" + name + url_.query;
    auto set = [this](CURLoption option, auto value) { curl_easy_setopt(curl_, option, value); };
    set(CURLOPT_URL, address.c_str());
    if (!url_.user.empty()) set(CURLOPT_USERNAME, url_.user.c_str());
    if (!url_.password.empty()) set(CURLOPT_PASSWORD, url_.password.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    // A redirection could lead from https to http, or to a host that nobody chose.
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options_.request.count()));
    set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(most_total));
    set(CURLOPT_WRITEFUNCTION, &take);
    set(CURLOPT_WRITEDATA, &request);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &progress);
    set(CURLOPT_XFERINFODATA, &request);
  }

  long perform() {
    CURLcode code = curl_easy_perform(curl_);
    if (code != CURLE_OK) throw StoreFailed(curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  RemoteUrl url_;
  StoreOptions options_;
  CURL* curl_ = nullptr;
};
}  // namespace

std::unique_ptr<Store> open_http_store(const RemoteUrl& url, StoreOptions options) {
  return std::make_unique<HttpStore>(url, options);
}

}  // namespace pagejit::cache
