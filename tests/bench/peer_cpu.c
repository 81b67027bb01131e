/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into the processes of the engine's peers (tests/bench/engine): shows them a CPU without
 * AVX-512, AVX-VNNI and AMX, and tells which instructions they run.
 *
 * Peers choose their kernels by CPUID, which has no override. So each cpuid in copies of their
 * libraries is made a ud2, which is as long (peers/hold.py), and the SIGILL of that is answered
 * here.
 */
#include <cpuid.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <ucontext.h>

enum {
    LEAF_FEATURES = 7,
    UD2 = 0x0b0f,
    UD2_BYTES = 2,
    EVEX = 0x62, /* what AVX-512 begins with, but for masks alone, and nothing else */
    SAMPLE_US = 1000,
};

/* Bits of leaf 7, sub-leaf 0: all that begins with AVX512 or AMX; GFNI. */
static const uint32_t hidden_ebx = 1u << 16 | 1u << 17 | 1u << 21 | 3u << 26 | 1u << 28 | 3u << 30;
static const uint32_t hidden_ecx = 1u << 1 | 1u << 6 | 1u << 8 | 1u << 11 | 1u << 12 | 1u << 14;
static const uint32_t hidden_edx = 3u << 2 | 1u << 8 | 7u << 22 | 1u << 25;

static volatile uint64_t n_samples, n_evex;

void peer_cpu_sample(int on);
void peer_cpu_samples(uint64_t ret[2]);

static void answer_cpuid(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *) context)->uc_mcontext.gregs;
    const uint32_t leaf = (uint32_t) registers[REG_RAX], sub = (uint32_t) registers[REG_RCX];
    uint32_t eax, ebx, ecx, edx;

    if (*(const uint16_t *) registers[REG_RIP] != UD2) {
        (void) signal(number, SIG_DFL); /* not ours: again, and die of it */
        return;
    }
    __cpuid_count(leaf, sub, eax, ebx, ecx, edx);
    if (leaf == LEAF_FEATURES && sub == 0) {
        ebx &= ~hidden_ebx;
        ecx &= ~hidden_ecx;
        edx &= ~hidden_edx;
    } else if (leaf == LEAF_FEATURES) /* AVX-VNNI, AVX-IFMA, AVX512-BF16 and what came later */
        eax = ebx = ecx = edx = 0;
    registers[REG_RAX] = eax;
    registers[REG_RBX] = ebx;
    registers[REG_RCX] = ecx;
    registers[REG_RDX] = edx;
    registers[REG_RIP] += UD2_BYTES;
}

static void count_sample(int number, siginfo_t *info, void *context) {
    const ucontext_t *interrupted = context;

    n_samples++;
    n_evex += *(const uint8_t *) interrupted->uc_mcontext.gregs[REG_RIP] == EVEX;
}

/** Begin (@on) or end looking each millisecond at what instruction comes next. */
void peer_cpu_sample(int on) {
    const struct itimerval each = { { 0, SAMPLE_US }, { 0, SAMPLE_US } }, never = { 0 };

    n_samples = n_evex = 0;
    (void) setitimer(ITIMER_REAL, on ? &each : &never, NULL); /* cannot fail with these */
}

/** How many there were, and how many of these were of AVX-512. */
void peer_cpu_samples(uint64_t ret[2]) {
    ret[0] = n_samples;
    ret[1] = n_evex;
}

/* Before any library that asks. */
__attribute__((constructor)) static void begin(void) {
    struct sigaction action = { .sa_sigaction = answer_cpuid, .sa_flags = SA_SIGINFO };

    (void) sigaction(SIGILL, &action, NULL); /* cannot fail with these */
    action.sa_sigaction = count_sample;
    action.sa_flags |= SA_RESTART;
    (void) sigaction(SIGALRM, &action, NULL);
}
