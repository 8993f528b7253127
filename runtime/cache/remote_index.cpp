#include "runtime/cache/remote_index.h"

#include <algorithm>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
constexpr std::string_view first_line = "pagejit-index 1\n";
constexpr std::size_t most_bytes = 64 << 10, most_lines = 64;

/// The number in "assembler=driver 13000" or "assembler=ptxas 13.0"; 0 where there is none.
int driver_of(std::string_view producer) {
  constexpr std::string_view words = "assembler=driver ";
  std::size_t at = producer.find(words);
  if (at == producer.npos) return 0;
  std::string_view digits = producer.substr(at + words.size());
  return static_cast<int>(parse_count(digits.substr(0, digits.find('\n'))).value_or(0));
}

std::string chip_of(std::string_view producer) {
  for (std::string_view line : split(producer, '\n'))
    if (line.starts_with("cubin=")) return std::string(line.substr(6));
  return {};
}
}  // namespace

std::string index_name(const Request& request) {
  std::string prefix = entry_prefix(request);
  prefix.back() = '.';
  return prefix + "idx";
}

std::vector<std::string> parse_index(std::string_view bytes) {
  std::vector<std::string> producers;
  if (bytes.size() > most_bytes || !bytes.starts_with(first_line)) return producers;
  for (std::string_view line : split(bytes.substr(first_line.size()), '\n')) {
    if (producers.size() == most_lines || line.size() < 18 || line[16] != ' ') continue;
    try {
      std::string producer = percent_unescape(line.substr(17));
      if (hex64(hash64(producer)) == line.substr(0, 16)) producers.push_back(std::move(producer));
    } catch (const Error&) {
      // Somebody else's line, or half of one.
    }
  }
  return producers;
}

std::string write_index(const std::vector<std::string>& producers) {
  std::string text(first_line);
  for (const std::string& producer : producers) text += hex64(hash64(producer)) + " " + percent_escape(producer) + "\n";
  return text;
}

bool add_to_index(std::vector<std::string>& producers, const std::string& producer) {
  if (std::find(producers.begin(), producers.end(), producer) != producers.end()) return false;
  producers.push_back(producer);
  if (producers.size() > most_lines) producers.erase(producers.begin());
  return true;
}

std::string best_producer(const std::vector<std::string>& producers, const Wanted& wanted) {
  std::string best;
  Merit most;
  for (const std::string& producer : producers) {
    Merit merit = merit_of(producer, chip_of(producer), driver_of(producer), wanted, true);
    if (merit.whose > 0 && merit > most) {
      best = producer;
      most = merit;
    }
  }
  return best;
}

}  // namespace pagejit::cache
