#include "normgraft/core/monitor.h"

namespace normgraft {

Monitor& silent_monitor() {
  static Monitor monitor;
  return monitor;
}

}  // namespace normgraft
