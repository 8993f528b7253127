// Stores on other machines, as names and bytes: get and put, nothing else. Nobody lists a store.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/error.h"

namespace pagejit::cache {

using Milliseconds = std::chrono::milliseconds;

/// file:/dir, http(s)://host[:port]/prefix or redis://host[:port]/db, each of the last three perhaps with
/// user:password@.
struct RemoteUrl {
  std::string text;    // as it was given
  std::string scheme;  // "file", "http", "https", "redis"
  std::string user, password, host;
  int port = 0;
  std::string path;   // of a file: the folder; of http: the prefix, without a slash at its end; of redis: "" or "/db"
  std::string query;  // with its '?', or empty

  /// Throws Error(argument) where it is none of these.
  static RemoteUrl parse(std::string_view text);
  /// Without user, password and query: for messages.
  std::string shown() const;
};
/// Whether the host is this machine, so that nobody sits in between.
bool is_loopback(std::string_view host);

/// How long a store may take, and whom it must belong to. The layer above waits less where a store fails.
struct StoreOptions {
  Milliseconds connect{200}, request{2000};
  bool own_folder = true;  // a folder of other users, or open to them, is refused
};

/// What the two sides of a request tell each other while it runs.
struct Transfer {
  std::atomic<std::uint64_t> received = 0;
  std::atomic<bool> abandoned = false;  // nobody waits any more
};

/// The store did not answer, or with something that is no answer. Not a miss.
class StoreFailed : public Error {
 public:
  explicit StoreFailed(const std::string& why) : Error(Code::deadline, why) {}
};

/// Used by one thread at a time. Throws StoreFailed, or Error(unsafe_cache).
class Store {
 public:
  virtual ~Store() = default;
  /// Nothing where there is no such name.
  virtual std::optional<std::string> get(const std::string& name, Transfer& transfer) = 0;
  virtual void put(const std::string& name, std::string_view bytes, Transfer& transfer) = 0;
  /// A hint to other machines that this one makes `name`; false where another has said so in the last `lease`.
  virtual bool claim(const std::string&, Milliseconds, Transfer&) { return true; }
};

/// Throws Error(absent) where this build cannot speak to such a store.
void require_supported(const RemoteUrl& url);
/// Connects at the first request.
std::unique_ptr<Store> open_store(const RemoteUrl& url, StoreOptions options);

// One file each; open_store() chooses.
std::unique_ptr<Store> open_file_store(const RemoteUrl& url, StoreOptions options);
std::unique_ptr<Store> open_http_store(const RemoteUrl& url, StoreOptions options);
std::unique_ptr<Store> open_redis_store(const RemoteUrl& url, StoreOptions options);

}  // namespace pagejit::cache
