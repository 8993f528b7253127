// Servers that a test starts for itself, on this machine and on ports that nobody else has.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/cache/file.h"

namespace pagejit::testing {

/// A port of the loopback that was free a moment ago.
int free_port();
std::string local_url(const std::string& scheme, int port, const std::string& path = "");

/// Accepts connections and answers each request as it is told to.
class FakeServer {
 public:
  struct Answer {
    std::string bytes;
    std::chrono::milliseconds before{0}, between{0};  // pauses: before the first piece, and before each other
    std::size_t piece = std::string::npos;            // bytes
    bool hang_up = false;                             // close the connection afterwards
  };
  using Answers = std::function<Answer(const std::string& request)>;
  explicit FakeServer(Answers answers);
  ~FakeServer();
  int port() const { return port_; }

 private:
  void serve(int fd);
  void send(int fd, const Answer& answer) const;

  Answers answers_;
  cache::Fd listening_;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  std::list<std::thread> connections_;
  std::thread accepting_;
};

/// A program that runs as long as this lives.
class Daemon {
 public:
  Daemon() = default;
  /// Waits until it answers on `port`; running() says whether it did.
  Daemon(const std::vector<std::string>& command, int port);
  ~Daemon() { stop(); }
  Daemon(Daemon&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Daemon& operator=(Daemon&& other) noexcept;
  bool running() const { return pid_ > 0; }
  void stop();

 private:
  int pid_ = 0;
};

/// Debian's own, with their files in `folder`. Not running where they are not installed, and then the test says so.
Daemon start_redis(const std::string& folder, int port);
Daemon start_nginx(const std::string& folder, int port);  // PUT and GET of what lies in folder/www

}  // namespace pagejit::testing
