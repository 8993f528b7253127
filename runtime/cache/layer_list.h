// The layers behind the private folder: what it adopted, read-only folders and bundles, the remote store.
#pragma once
#include <memory>
#include <string>

#include "runtime/base/settings.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/layers.h"
#include "runtime/cache/remote.h"

namespace pagejit::cache {

/// Which hits are copied into the private root's adopted/.
enum class Promote { off, remote, all };

struct SharedOptions {
  Promote promote = Promote::remote;
  std::string remote;  // URL of the store; empty: none
  bool remote_write = false, remote_insecure = false;
  Milliseconds remote_timeout{2000};
  std::string hmac_key_file;

  static SharedOptions from(const Settings& settings);
};

/// Adds them in the order in which they are asked. `paths` are colon-separated folders and bundles; `private_root` may
/// be null. What cannot be used costs one warning; where the key cannot be read, nothing that it would have to vouch
/// for is used.
void add_shared_layers(Layers& layers, const std::string& paths, const SharedOptions& shared, Disk* private_root,
                       const DiskOptions& disk);

}  // namespace pagejit::cache
