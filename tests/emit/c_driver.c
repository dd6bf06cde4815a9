/* Runs network() on the pictures of a file, codes one after the other, and writes the logits to standard output.
   The arena is as large as the header says, full of garbage, and behind it lie guards that must stay. */
#include <stdio.h>
#include <string.h>

#include "network.h"

#define GUARDS 256
#define CODES (3 * NETWORK_HEIGHT * NETWORK_WIDTH)

static union {
  int64_t aligned;
  unsigned char bytes[NETWORK_ARENA_BYTES + GUARDS];
} arena;

int main(int count, char **arguments) {
  static int8_t picture[CODES];
  static int32_t logits[NETWORK_CLASSES + 1];
  FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
  if (!file) return 2;
  if (network(NULL, logits, &arena) == 0 || network(picture, NULL, &arena) == 0 || network(picture, logits, NULL) == 0 ||
      network(picture, logits, arena.bytes + 1) == 0) {
    fprintf(stderr, "network() took what it must refuse\n");
    return 3;
  }
  for (int garbage = 17; fread(picture, 1, CODES, file) == CODES; garbage = garbage * 5 + 3) {
    memset(arena.bytes, garbage & 255, sizeof arena.bytes);
    logits[NETWORK_CLASSES] = garbage;
    if (network(picture, logits, &arena) != 0) return 4;
    for (int i = 0; i < GUARDS; ++i) {
      if (arena.bytes[NETWORK_ARENA_BYTES + i] == (garbage & 255)) continue;
      fprintf(stderr, "network() wrote behind the arena\n");
      return 5;
    }
    if (logits[NETWORK_CLASSES] != garbage) return 6;
    fwrite(logits, sizeof logits[0], NETWORK_CLASSES, stdout);
  }
  fclose(file);
  return 0;
}
