/* Programs that compute: what the block compiler is measured with, and checked against qemu.
 * The number of rounds stands at 0x803f0000; 0, as RAM is at first, means 1.
 */
#include "io.h"

START

#ifdef HOSTED
#ifndef ROUNDS
#define ROUNDS 1
#endif
#else
#define ROUNDS (REG32(0x803f0000u) ? REG32(0x803f0000u) : 1)
#endif

static int32_t left[32][32], right[32][32], product[32][32];
static uint8_t bytes[16384];
static uint32_t crc_table[256];
static uint32_t order[4096];
static struct node { struct node *next; uint64_t value; } nodes[1024];
static float samples[512], taps[32], filtered[512];
static double grid[34][34];

static uint64_t matrices(uint64_t seed)
{
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++) {
            left[i][j] = (int32_t)scramble(&seed) >> 16;
            right[i][j] = (int32_t)scramble(&seed) >> 16;
        }
    uint64_t h = HASH_START;
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++) {
            int32_t sum = 0;
            for (int k = 0; k < 32; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
            h = (h ^ (uint32_t)sum) * 0x100000001b3u;
        }
    return h;
}

static uint64_t checksum(uint64_t seed)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        crc_table[i] = c;
    }
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)scramble(&seed);
    uint32_t c = ~0u;
    for (unsigned i = 0; i < sizeof bytes; i++)
        c = crc_table[(c ^ bytes[i]) & 255] ^ c >> 8;
    return ~c;
}

static uint64_t primes(void)
{
    uint64_t count = 0;
    for (unsigned i = 2; i < sizeof bytes; i++)
        bytes[i] = 1;
    for (unsigned i = 2; i < sizeof bytes; i++) {
        if (!bytes[i])
            continue;
        count++;
        for (unsigned j = i + i; j < sizeof bytes; j += i)
            bytes[j] = 0;
    }
    return count;
}

static uint64_t list(uint64_t seed)
{
    for (int i = 0; i < 1024; i++) {
        nodes[i].value = scramble(&seed);
        nodes[i].next = &nodes[(i * 389 + 1) & 1023];
    }
    uint64_t h = 0;
    struct node *at = nodes;
    for (int i = 0; i < 8192; i++) {
        h = h * 31 + at->value;
        at = at->next;
    }
    return h;
}

static void sort(int low, int high)
{
    while (low < high) {
        uint32_t pivot = order[(low + high) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (order[i] < pivot)
                i++;
            while (order[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = order[i];
                order[i++] = order[j];
                order[j--] = t;
            }
        }
        sort(low, j);
        low = i;
    }
}

static uint64_t sorted(uint64_t seed)
{
    for (int i = 0; i < 4096; i++)
        order[i] = (uint32_t)scramble(&seed);
    sort(0, 4095);
    uint64_t h = HASH_START;
    for (int i = 0; i < 4096; i++)
        h = (h ^ order[i]) * 0x100000001b3u;
    return h;
}

/* a small stack machine: a switch through a jump table, as interpreters have one */
static uint64_t machine(uint64_t seed)
{
    static const uint8_t program[] = {1, 0, 2, 3, 1, 4, 5, 2, 6, 7, 3, 8, 1, 5, 4, 9};
    uint64_t stack[4] = {seed, seed >> 7, 3, 4}, count = 0;
    for (int round = 0; round < 2000;) {
        switch (program[count++ & 15]) {
        case 0: stack[0] += stack[1]; break;
        case 1: stack[1] ^= stack[0] >> 3; break;
        case 2: stack[2] = stack[0] * 5; break;
        case 3: stack[3] -= stack[2]; break;
        case 4: stack[0] = (stack[0] << 7) | stack[0] >> 57; break;
        case 5: stack[1] = stack[1] / 3 + stack[3]; break;
        case 6: stack[2] ^= stack[3] % 1000; break;
        case 7: stack[3] += stack[1]; break;
        case 8: stack[0] ^= stack[2]; break;
        default: round++;
        }
    }
    return stack[0] ^ stack[1] ^ stack[2] ^ stack[3];
}

static uint64_t filter(uint64_t seed)
{
    for (int i = 0; i < 512; i++)
        samples[i] = (float)(int32_t)scramble(&seed) / 65536.0f;
    for (int i = 0; i < 32; i++)
        taps[i] = 1.0f / (float)(i + 3);
    uint64_t h = HASH_START;
    for (int i = 0; i < 512; i++) {
        float sum = 0;
        for (int k = 0; k < 32; k++)
            sum += taps[k] * samples[(i + k) & 511];
        filtered[i] = sum > 1000.0f ? 1000.0f : sum;
    }
    for (int i = 0; i < 512; i++)
        h = (h ^ (uint64_t)(int64_t)(filtered[i] * 64.0f)) * 0x100000001b3u;
    return h;
}

static uint64_t relax(uint64_t seed)
{
    for (int i = 0; i < 34; i++)
        for (int j = 0; j < 34; j++)
            grid[i][j] = (double)(scramble(&seed) >> 40);
    for (int pass = 0; pass < 8; pass++)
        for (int i = 1; i < 33; i++)
            for (int j = 1; j < 33; j++)
                grid[i][j] = (grid[i - 1][j] + grid[i + 1][j] + grid[i][j - 1]
                              + grid[i][j + 1]) * 0.2476 + 1.0 / (grid[i][j] + 2.0);
    uint64_t h = HASH_START;
    for (int i = 0; i < 34; i++)
        for (int j = 0; j < 34; j++)
            h = (h ^ (uint64_t)(grid[i][j] * 1024.0)) * 0x100000001b3u;
    return h;
}

int main(int hart)
{
    if (hart)
        return 0;
    uint64_t h[8] = {0};
    for (uint32_t round = ROUNDS; round; round--) {
        uint64_t seed = 88172645463325252u + round;
        h[0] = fold(h[0], matrices(seed));
        h[1] = fold(h[1], checksum(seed));
        h[2] = fold(h[2], primes());
        h[3] = fold(h[3], list(seed));
        h[4] = fold(h[4], sorted(seed));
        h[5] = fold(h[5], machine(seed));
        h[6] = fold(h[6], filter(seed));
        h[7] = fold(h[7], relax(seed));
    }
    line("matrices", h[0]);
    line("checksum", h[1]);
    line("primes", h[2]);
    line("list", h[3]);
    line("sorted", h[4]);
    line("machine", h[5]);
    line("filter", h[6]);
    line("relax", h[7]);
    text("end\n");
    return 0;
}
