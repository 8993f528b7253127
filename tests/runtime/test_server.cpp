#include "tests/runtime/test_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/runtime/support.h"
#include "tests/support/skip.h"

namespace pagejit::testing {
namespace {
using namespace std::chrono_literals;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int listen_on_free_port(cache::Fd& fd) {
  fd = cache::Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  listen(fd.get(), 64);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

bool answers(int port) {
  cache::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(port);
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

std::string program(const char* name) {
  for (const char* folder : {"/usr/bin/", "/usr/sbin/"})
    if (std::filesystem::exists(std::string(folder) + name)) return std::string(folder) + name;
  skip_test(std::string(name) + " is not installed");
  return {};
}
}  // namespace

int free_port() {
  cache::Fd fd;
  return listen_on_free_port(fd);
}

std::string local_url(const std::string& scheme, int port, const std::string& path) {
  return scheme + "://127.0.0.1:" + std::to_string(port) + path;
}

FakeServer::FakeServer(Answers answers) : answers_(std::move(answers)) {
  port_ = listen_on_free_port(listening_);
  accepting_ = std::thread([this] {
    pollfd one{listening_.get(), POLLIN, 0};
    while (!stop_)
      if (poll(&one, 1, 10) > 0) {
        int fd = accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) connections_.emplace_back([this, fd] { serve(fd); });
      }
  });
}

FakeServer::~FakeServer() {
  stop_ = true;
  accepting_.join();
  for (std::thread& connection : connections_) connection.join();
}

void FakeServer::serve(int fd) {
  cache::Fd hold(fd);
  pollfd one{fd, POLLIN, 0};
  while (!stop_) {
    if (poll(&one, 1, 10) <= 0) continue;
    std::string request(64 << 10, '\0');  // ours fit, and come in one piece
    ssize_t got = recv(fd, request.data(), request.size(), 0);
    if (got <= 0) return;
    request.resize(static_cast<std::size_t>(got));
    Answer answer = answers_(request);
    send(fd, answer);
    if (answer.hang_up) return;
  }
}

void FakeServer::send(int fd, const Answer& answer) const {
  auto pause = [this](std::chrono::milliseconds time) {
    auto end = std::chrono::steady_clock::now() + time;
    while (!stop_ && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::min(time, 10ms));
  };
  pause(answer.before);
  for (std::size_t at = 0; at < answer.bytes.size() && !stop_;) {
    std::string piece = answer.bytes.substr(at, answer.piece);
    if (at > 0) pause(answer.between);
    ssize_t sent = ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    at += static_cast<std::size_t>(sent);
  }
}

Daemon::Daemon(const std::vector<std::string>& command, int port) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // also where the test dies
    int null = open("/dev/null", O_RDWR);
    for (int fd : {0, 1, 2}) dup2(null, fd);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  auto end = std::chrono::steady_clock::now() + 5s;
  while (!answers(port) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(10ms);
  if (!answers(port)) stop();
}

Daemon& Daemon::operator=(Daemon&& other) noexcept {
  stop();
  pid_ = std::exchange(other.pid_, 0);
  return *this;
}

void Daemon::stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(std::exchange(pid_, 0), nullptr, 0);
}

Daemon start_redis(const std::string& folder, int port) {
  std::string path = program("redis-server");
  if (path.empty()) return {};
  return Daemon({path, "--port", std::to_string(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder}, port);
}

Daemon start_nginx(const std::string& folder, int port) {
  std::string path = program("nginx");
  if (path.empty()) return {};
  for (const char* inside : {"/www/v1", "/tmp"}) std::filesystem::create_directories(folder + inside);
  write_file(folder + "/nginx.conf",
             (geteuid() == 0 ? "user root;\n" : "") +
                 ("daemon off; worker_processes 1; pid nginx.pid; error_log error.log;\n"
                  "events { worker_connections 64; }\n"
                  "http { access_log off; client_body_temp_path tmp; client_max_body_size 64m;\n"
                  "  server { listen 127.0.0.1:" +
                  std::to_string(port) + ";\n    location / { root " + folder +
                  "/www; dav_methods PUT; create_full_put_path on; } } }\n"));
  return Daemon({path, "-p", folder, "-c", folder + "/nginx.conf"}, port);
}

}  // namespace pagejit::testing
