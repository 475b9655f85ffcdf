/* A stand-in for libnvidia-ml.so.1: what it answers is read anew on every call from $FAKE_NVML_FILE.
 *
 * One "<key> <value>" a line: "count 2", and per card "0.name", "0.uuid", "0.memory_total",
 * "0.memory_used", "0.utilization", "0.temperature", "0.power_mw", "0.power_limit_mw",
 * "0.capability 9.0", "0.throttle <mask>", "0.process.<n> <pid> <bytes>", and memory errors by type
 * and counter: "0.ecc_uncorrected", "0.ecc_corrected", "0.ecc_uncorrected_ever",
 * "0.ecc_corrected_ever". A fact without a line is one the card does not support; "0.lost 1" is a
 * card that fell off the bus. "0.mig 1" is a card in slices: "0.mig.<n>.uuid" and the slice's other
 * facts likewise. "0.xid.<n> <code>", n from 0, are the card's XID events: each is delivered once
 * to an event set that was there before it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, TIMEOUT = 10, GPU_IS_LOST = 15
};
enum { CARDS = 16, PROCESSES = 32, SLICES = 7, XID_EVENT = 8, WHOLE = -1 };

typedef unsigned long long u64;
typedef struct { int index, slice; } Card;
typedef struct { u64 total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } Process;

typedef struct { Card *device; u64 type, data; unsigned gpu_instance, compute_instance; } Event;
typedef struct { int seen[CARDS], watched[CARDS]; } EventSet;

static Card cards[CARDS], slices[CARDS][SLICES];
static int users;

/* The value of a key in `out`; 0 where the file has no such line. */
static int value_of(const char *key, char *out, size_t size) {
    const char *path = getenv("FAKE_NVML_FILE");
    FILE *file = path ? fopen(path, "r") : NULL;
    size_t length = strlen(key);
    char line[320];
    int found = 0;
    if (!file) return 0;
    while (!found && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && line[length] == ' ') {
            line[strcspn(line, "\n")] = 0;
            snprintf(out, size, "%s", line + length + 1);
            found = 1;
        }
    fclose(file);
    return found;
}

static int count(void) {
    char text[16];
    int n = value_of("count", text, sizeof text) ? atoi(text) : 0;
    return n < CARDS ? n : CARDS;
}

static int text_of(Card *card, const char *fact, char *out, size_t size) {
    char key[64];
    if (!users) return UNINITIALIZED;
    snprintf(key, sizeof key, "%d.lost", card->index);
    if (value_of(key, out, size)) return GPU_IS_LOST;
    if (card->slice == WHOLE) snprintf(key, sizeof key, "%d.%s", card->index, fact);
    else snprintf(key, sizeof key, "%d.mig.%d.%s", card->index, card->slice, fact);
    return value_of(key, out, size) ? SUCCESS : NOT_SUPPORTED;
}

static int number_of(Card *card, const char *fact, u64 *out) {
    char text[64];
    int result = text_of(card, fact, text, sizeof text);
    if (result == SUCCESS) *out = strtoull(text, NULL, 0);
    return result;
}

static int small_number_of(Card *card, const char *fact, unsigned *out) {
    u64 number = 0;
    int result = number_of(card, fact, &number);
    if (result == SUCCESS) *out = (unsigned)number;
    return result;
}

EXPORT int nvmlInitWithFlags(unsigned flags) {
    char text[16];
    (void)flags;
    if (!value_of("count", text, sizeof text)) return DRIVER_NOT_LOADED;
    for (int i = 0; i < CARDS; i++) {
        cards[i] = (Card){i, WHOLE};
        for (int n = 0; n < SLICES; n++) slices[i][n] = (Card){i, n};
    }
    users++;
    return SUCCESS;
}

EXPORT int nvmlShutdown(void) {
    if (!users) return UNINITIALIZED;
    users--;
    return SUCCESS;
}

EXPORT const char *nvmlErrorString(int result) {
    return result == GPU_IS_LOST ? "GPU is lost" : "fake NVML error";
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *n) {
    *n = (unsigned)count();
    return users ? SUCCESS : UNINITIALIZED;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card **card) {
    if ((int)index >= count()) return INVALID_ARGUMENT;
    *card = &cards[index];
    return users ? SUCCESS : UNINITIALIZED;
}

EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, Card **card) {
    char text[96];
    if (!users) return UNINITIALIZED;
    for (int i = 0; i < count(); i++)
        for (int n = WHOLE; n < SLICES; n++) {
            Card *here = n == WHOLE ? &cards[i] : &slices[i][n];
            int result = text_of(here, "uuid", text, sizeof text);
            if (result == SUCCESS && !strcmp(text, uuid)) {
                *card = here;
                return SUCCESS;
            }
        }
    return NOT_FOUND;
}

EXPORT int nvmlDeviceGetUUID(Card *card, char *out, unsigned size) {
    return text_of(card, "uuid", out, size);
}

EXPORT int nvmlDeviceGetName(Card *card, char *out, unsigned size) {
    return text_of(card, "name", out, size);
}

EXPORT int nvmlDeviceGetMemoryInfo(Card *card, Memory *memory) {
    int result = number_of(card, "memory_total", &memory->total);
    if (result == SUCCESS) result = number_of(card, "memory_used", &memory->used);
    memory->free = memory->total - memory->used;
    return result;
}

EXPORT int nvmlDeviceGetUtilizationRates(Card *card, Utilization *rates) {
    rates->memory = 0;
    return small_number_of(card, "utilization", &rates->gpu);
}

EXPORT int nvmlDeviceGetTemperature(Card *card, int sensor, unsigned *celsius) {
    return sensor ? INVALID_ARGUMENT : small_number_of(card, "temperature", celsius);
}

EXPORT int nvmlDeviceGetPowerUsage(Card *card, unsigned *milliwatts) {
    return small_number_of(card, "power_mw", milliwatts);
}

EXPORT int nvmlDeviceGetEnforcedPowerLimit(Card *card, unsigned *milliwatts) {
    return small_number_of(card, "power_limit_mw", milliwatts);
}

EXPORT int nvmlDeviceGetCudaComputeCapability(Card *card, int *major, int *minor) {
    char text[16];
    int result = text_of(card, "capability", text, sizeof text);
    if (result != SUCCESS) return result;
    return sscanf(text, "%d.%d", major, minor) == 2 ? SUCCESS : NOT_SUPPORTED;
}

EXPORT int nvmlDeviceGetTotalEccErrors(Card *card, int type, int counter, u64 *errors) {
    char fact[32];
    snprintf(fact, sizeof fact, "ecc_%scorrected%s", type ? "un" : "", counter ? "_ever" : "");
    return number_of(card, fact, errors);
}

EXPORT int nvmlDeviceGetCurrentClocksEventReasons(Card *card, u64 *mask) {
    return number_of(card, "throttle", mask);
}

EXPORT int nvmlDeviceGetMigMode(Card *card, unsigned *current, unsigned *pending) {
    int result = small_number_of(card, "mig", current);
    *pending = *current;
    return result;
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(Card *card, unsigned *most) {
    (void)card;
    *most = SLICES;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(Card *card, unsigned index, Card **slice) {
    char text[96];
    if (index >= SLICES) return INVALID_ARGUMENT;
    *slice = &slices[card->index][index];
    return text_of(*slice, "uuid", text, sizeof text) == SUCCESS ? SUCCESS : NOT_FOUND;
}

EXPORT int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Card *slice, Card **card) {
    *card = &cards[slice->index];
    return slice->slice == WHOLE ? INVALID_ARGUMENT : SUCCESS;
}

/* The next XID of a card that a set has not seen; 0 where there is none. */
static int next_xid(EventSet *set, int index, unsigned *code) {
    char fact[32];
    snprintf(fact, sizeof fact, "xid.%d", set->seen[index]);
    if (small_number_of(&cards[index], fact, code) != SUCCESS) return 0;
    return ++set->seen[index];
}

EXPORT int nvmlEventSetCreate(EventSet **set) {
    *set = calloc(1, sizeof **set);
    return users ? SUCCESS : UNINITIALIZED;
}

EXPORT int nvmlEventSetFree(EventSet *set) {
    free(set);
    return SUCCESS;
}

EXPORT int nvmlDeviceRegisterEvents(Card *card, u64 types, EventSet *set) {
    unsigned code;
    if (types != XID_EVENT || card->slice != WHOLE) return NOT_SUPPORTED;
    set->watched[card->index] = 1;
    while (next_xid(set, card->index, &code)) {}
    return SUCCESS;
}

EXPORT int nvmlEventSetWait_v2(EventSet *set, Event *event, unsigned milliseconds) {
    unsigned code;
    for (unsigned waited = 0; users; waited += 10) {
        for (int i = 0; i < CARDS; i++)
            if (set->watched[i] && next_xid(set, i, &code)) {
                *event = (Event){&cards[i], XID_EVENT, code, ~0u, ~0u};
                return SUCCESS;
            }
        if (waited >= milliseconds) return TIMEOUT;
        usleep(10000);
    }
    return UNINITIALIZED;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(Card *card, unsigned *size, Process *out) {
    unsigned n = 0, room = *size;
    for (; n < PROCESSES; n++) {
        char fact[32], text[64], *rest;
        snprintf(fact, sizeof fact, "process.%u", n);
        int result = text_of(card, fact, text, sizeof text);
        if (result == NOT_SUPPORTED) break;
        if (result != SUCCESS) return result;
        if (out && n < room) {
            unsigned pid = (unsigned)strtoul(text, &rest, 10);
            out[n] = (Process){pid, strtoull(rest, NULL, 10), ~0u, ~0u};
        }
    }
    *size = n;
    return n > room ? INSUFFICIENT_SIZE : SUCCESS;
}
