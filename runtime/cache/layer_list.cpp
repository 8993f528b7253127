#include "runtime/cache/layer_list.h"

#include <sys/stat.h>

#include <functional>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/cache/adopt.h"
#include "runtime/cache/bundle.h"
#include "runtime/cache/remote_layer.h"
#include "runtime/cache/signature.h"

namespace pagejit::cache {
namespace {
/// Null, and a warning, where it cannot be made.
template <class T>
T or_warn(const std::string& what, const std::function<T()>& make) {
  try {
    return make();
  } catch (const Error& e) {
    warn_once("layer " + what, e.what());
    return nullptr;
  }
}

bool is_folder(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) != 0 || S_ISDIR(status.st_mode);  // what is absent is complained of as a folder
}

/// Whoever can change the bytes on their way can run code here, unless a key says whose they are.
void require_safe(const RemoteUrl& url, const SharedOptions& shared) {
  bool plain = url.scheme == "http" || url.scheme == "redis";
  if (!plain || is_loopback(url.host) || shared.remote_insecure || !shared.hmac_key_file.empty()) return;
  fail(Code::unsafe_cache, "the remote store is not used: its connection is neither encrypted nor signed",
       {{"store", url.shown()},
        {"to do", "use https:, set PAGEJIT_HMAC_KEY_FILE or, in a network that you trust, PAGEJIT_REMOTE_INSECURE=1"},
        {"instead", "kernels are made here"}});
}

class Maker {
 public:
  Maker(Layers& layers, const SharedOptions& shared, Disk* private_root, const DiskOptions& disk)
      : layers_(layers), shared_(shared), private_(private_root), disk_(disk) {}

  /// False where there should be a key and is none.
  bool load_key() {
    const std::string& file = shared_.hmac_key_file;
    if (file.empty()) return true;
    key_ = or_warn<std::shared_ptr<const SigningKey>>(file, [&] { return SigningKey::load(file); });
    return key_ != nullptr;
  }

  void add_adopted() {
    if (!private_) return;
    Adopted::Options options{private_->writable(), disk_.limits, key_, disk_.journal};
    auto layer = std::make_unique<Adopted>(private_->name(), private_->folder(), options);
    adopted_ = layer.get();
    layers_.add(std::move(layer));
  }

  void add_folder(const std::string& path) {
    add(
        path, [&] { return std::make_unique<Disk>(path, Disk::Use::read_only, disk_); }, Promote::all);
  }

  void add_bundle(const std::string& path) {
    add(
        path, [&] { return std::make_unique<BundleLayer>(path, key_, disk_.journal); }, Promote::all);
  }

  void add_remote() {
    add(
        "remote",
        [&] {
          RemoteUrl url = RemoteUrl::parse(shared_.remote);
          require_supported(url);
          require_safe(url, shared_);
          RemoteOptions options;
          options.write = shared_.remote_write;
          options.store.request = shared_.remote_timeout;
          options.store.own_folder = !key_ && !shared_.remote_insecure;
          options.key = key_;
          options.journal = disk_.journal;
          return std::make_unique<RemoteLayer>(url, options);
        },
        Promote::remote);
  }

 private:
  void add(const std::string& what, const std::function<std::unique_ptr<EntryLayer>()>& make, Promote least) {
    auto layer = or_warn<std::unique_ptr<EntryLayer>>(what, make);
    if (!layer) return;
    if (shared_.promote >= least) layer->copy_hits_to(adopted_);
    layers_.add(std::move(layer));
  }

  Layers& layers_;
  const SharedOptions& shared_;
  Disk* private_;
  const DiskOptions& disk_;
  std::shared_ptr<const SigningKey> key_;
  Adopted* adopted_ = nullptr;
};
}  // namespace

SharedOptions SharedOptions::from(const Settings& settings) {
  SharedOptions shared;
  if (settings.cache_promote == "off") shared.promote = Promote::off;
  if (settings.cache_promote == "all") shared.promote = Promote::all;
  shared.remote = settings.remote;
  shared.remote_write = settings.remote_mode == "rw";
  shared.remote_insecure = settings.remote_insecure == "1";
  shared.remote_timeout = Milliseconds(parse_count(settings.remote_timeout_ms).value());
  shared.hmac_key_file = settings.hmac_key_file;
  return shared;
}

void add_shared_layers(Layers& layers, const std::string& paths, const SharedOptions& shared, Disk* private_root,
                       const DiskOptions& disk) {
  Maker maker(layers, shared, private_root, disk);
  bool trusts = maker.load_key();
  if (trusts) maker.add_adopted();
  for (std::string_view one : split(paths, ':')) {
    std::string path(one);
    if (is_folder(path))
      maker.add_folder(path);
    else if (trusts)
      maker.add_bundle(path);
  }
  if (trusts && !shared.remote.empty()) maker.add_remote();
}

}  // namespace pagejit::cache
