// See processor.h.
#include "base/processor.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace qc {
namespace {

#if defined(__x86_64__)
// By its bit (Intel's manual, CPUID leaf 7.1, EAX 4): not every compiler has a name for it.
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & 1U << 4) != 0;
}
#endif

}  // namespace

Processor this_processor() {
  Processor found;
#if defined(__x86_64__)
  found.architecture = "x86-64";
  __builtin_cpu_init();
  const bool vnni512 = __builtin_cpu_supports("avx512vnni") != 0, vnni = has_avx_vnni();
  found.features = {{"AVX2", __builtin_cpu_supports("avx2") != 0},
                    {"AVX-512", __builtin_cpu_supports("avx512bw") != 0},
                    {"AVX-512 VNNI", vnni512},
                    {"AVX VNNI", vnni}};
  found.fast_int8 = vnni512 || vnni;
  found.may_saturate = !found.fast_int8;
#elif defined(__aarch64__)
  found.architecture = "arm64";
#if defined(__linux__)
  constexpr unsigned long kDotProducts = 1UL << 20;  // HWCAP_ASIMDDP of the kernel's interface
  found.fast_int8 = (getauxval(AT_HWCAP) & kDotProducts) != 0;
#else
  found.fast_int8 = true;  // every Apple processor since 2020
#endif
  found.features = {{"dot products", found.fast_int8}};
#else
  found.architecture = "another one";
#endif
  return found;
}

std::string meaning_of(const Processor& processor) {
  if (processor.may_saturate)
    return "no VNNI: integer kernels add pairs of products in 16 bits, which large weights can overflow, and "
           "gain "
           "less time; figures measured here hold for such processors only; \"saturation_guard\": true makes "
           "files "
           "that cannot overflow";
  if (processor.fast_int8)
    return "integer kernels sum in 32 bits and cannot overflow; processors without such instructions may "
           "give other "
           "results for files whose report names a saturation risk";
  return "nothing is known of its integer kernels: compare speeds with qconvert compare";
}

}  // namespace qc
