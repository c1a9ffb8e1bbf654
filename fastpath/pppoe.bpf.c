//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The data path in the kernel, in C for BPF; doc.go tells how a packet goes.
//
// Headers: PPPoE is RFC 2516 section 4, PPP's protocol field RFC 1661 section 2.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define PROTOCOL_TCP 6
#define MARK 0x50504f45u /* tells tc what XDP has stripped; only XDP can write there */

/* Verdicts of tcx, which linux/bpf.h has from Linux 6.6 on only. */
#define TCX_NEXT -1
#define TCX_DROP 2

/* What the loader fills in: the line, and the near half of the pair of veths that splits
 * packets into segments; 0: there is none. */
volatile const __u32 line_ifindex;
volatile const __u32 split_ifindex;

/* key is how the AC's frames name a session. */
struct key {
	__be16 id;
	__u8 ac[6];
};

enum {
	PASS_IPV4 = 1,
	PASS_IPV6 = 2,
	SLOW_UPLOAD = 4, /* through the TUN device's queueing discipline, to user space */
};

struct session {
	__u32 device; /* index of the TUN device */
	__u8 mac[6];  /* ours */
	__u16 mtu;    /* octets, host's byte order */
	__u32 flags;
};

struct counters {
	__u64 rx_packets, rx_bytes; /* octets as IP sees them */
	__u64 rx_closed;            /* the family's NCP is not open */
	__u64 rx_length;            /* a length that lies, or no IP at all */
	__u64 rx_slow;              /* given to user space */
	__u64 tx_packets, tx_bytes;
	__u64 tx_closed;
	__u64 tx_mtu;   /* too large */
	__u64 tx_slow;  /* given to user space */
	__u64 tx_split; /* super-packets that took the way round, to be split */
	__u64 tx_failed;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct key);
	__type(value, struct session);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} sessions SEC(".maps");

/* Which session a TUN device has. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct key);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} devices SEC(".maps");

/* By TUN device: sessions come and go. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct counters);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} traffic SEC(".maps");

/* Data on the line that is of no session here. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} strangers SEC(".maps");

/* header is what stands before an IP packet on the line. */
struct header {
	struct ethhdr eth;
	__u8 version_type, code;
	__be16 id, length, protocol;
} __attribute__((packed));

/* note goes with a stripped frame, from XDP to tc. */
struct note {
	__u32 mark, device, mtu;
};

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	return !((*(__u16 *)a ^ *(__u16 *)b) | (*(__u16 *)(a + 2) ^ *(__u16 *)(b + 2)) | (*(__u16 *)(a + 4) ^ *(__u16 *)(b + 4)));
}

static __always_inline void stranger(void)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&strangers, &zero);
	if (n)
		*n += 1;
}

/* whole reports whether room octets, of which two are there to be read behind p, can be the
 * IP packet that it says it is. */
static __always_inline int whole(const __u8 *p, __u32 room, __be16 protocol)
{
	if (protocol == bpf_htons(PPP_IPV4)) {
		__u32 header = (p[0] & 15) * 4, total = bpf_ntohs(*(__be16 *)(p + 2));
		return p[0] >> 4 == 4 && header >= 20 && total >= header && total <= room;
	}
	__u32 payload = bpf_ntohs(*(__be16 *)(p + 4));
	return p[0] >> 4 == 6 && payload + 40 <= room;
}

/* strip takes Ethernet, PPPoE and PPP from an IP packet of a session and puts an Ethernet
 * header of its own before it, so that the kernel's GRO takes it for what it is. */
SEC("xdp.frags")
int strip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct header *h = data;
	if (data + sizeof(*h) > end || h->eth.h_proto != bpf_htons(ETH_P_PPP_SES))
		return XDP_PASS;
	struct key key = {.id = h->id};
	__builtin_memcpy(key.ac, h->eth.h_source, sizeof(key.ac));
	struct session *s = bpf_map_lookup_elem(&sessions, &key);
	if (!s || !same_mac(h->eth.h_dest, s->mac)) {
		if (bpf_ntohs(h->protocol) < 0x8000) /* a session in the making has control frames */
			stranger();
		return XDP_PASS;
	}
	__be16 protocol = h->protocol;
	if (h->version_type != 0x11 || h->code != 0 || (protocol != bpf_htons(PPP_IPV4) && protocol != bpf_htons(PPP_IPV6)))
		return XDP_PASS;
	__u32 device = s->device;
	struct counters *c = bpf_map_lookup_elem(&traffic, &device);
	if (!c)
		return XDP_PASS;

	__u32 length = bpf_ntohs(h->length), total = bpf_xdp_get_buff_len(ctx);
	__u32 packet = length - 2; /* octets, without PPP's protocol field */
	if (length < 2 + 20 || sizeof(*h) + packet > total || data + sizeof(*h) + 20 > end ||
	    !whole(data + sizeof(*h), packet, protocol)) {
		c->rx_length++;
		return XDP_DROP;
	}
	if (!(s->flags & (protocol == bpf_htons(PPP_IPV4) ? PASS_IPV4 : PASS_IPV6))) {
		c->rx_closed++;
		return XDP_DROP;
	}
	struct ethhdr eth = h->eth;
	eth.h_proto = protocol == bpf_htons(PPP_IPV4) ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	__u32 padding = total - sizeof(*h) - packet;
	/* Not each driver has room for the note. */
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct note))) {
		c->rx_slow++;
		return XDP_PASS;
	}
	if (padding && bpf_xdp_adjust_tail(ctx, -(int)padding)) {
		bpf_xdp_adjust_meta(ctx, sizeof(struct note));
		c->rx_slow++;
		return XDP_PASS;
	}
	if (bpf_xdp_adjust_head(ctx, sizeof(struct header) - sizeof(struct ethhdr))) {
		c->rx_length++;
		return XDP_DROP;
	}
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	struct note *n = (void *)(long)ctx->data_meta;
	if ((void *)(n + 1) > data || data + sizeof(eth) > end)
		return XDP_DROP;
	n->mark = MARK;
	n->device = device;
	n->mtu = s->mtu;
	__builtin_memcpy(data, &eth, sizeof(eth));
	c->rx_packets++;
	c->rx_bytes += packet;
	return XDP_PASS;
}

/* search is where an option list is looked through. */
struct search {
	struct __sk_buff *skb;
	__u32 at, option, end, mss; /* of the TCP header, of an option, behind the last, allowed */
};

/* clamp_option looks at one option; 1: there is no more to look for. */
static long clamp_option(__u32 n, struct search *f)
{
	__u8 option[4];
	if (f->option + 4 > f->end || bpf_skb_load_bytes(f->skb, f->option, option, sizeof(option)) || option[0] == 0)
		return 1;
	if (option[0] != 1 && option[1] < 2)
		return 1;
	if (option[0] != 2) {
		f->option += option[0] == 1 ? 1 : option[1];
		return 0;
	}
	__u32 old = option[2] << 8 | option[3];
	if (option[1] != 4 || old <= f->mss)
		return 1;
	__be16 value = bpf_htons(f->mss), was = bpf_htons(old);
	if (bpf_skb_store_bytes(f->skb, f->option + 2, &value, sizeof(value), 0))
		return 1;
	if ((f->option - f->at) & 1) { /* at an odd offset, octets count the other way round (RFC 1071) */
		value = __builtin_bswap16(value);
		was = __builtin_bswap16(was);
	}
	bpf_l4_csum_replace(f->skb, f->at + 16, was, value, sizeof(value));
	return 1;
}

/* clamp lowers the MSS option of a TCP SYN to what mtu octets carry (RFC 9293 section
 * 3.7.1), at is where its IP packet begins. What is odd stays as it is. */
static __always_inline void clamp(struct __sk_buff *skb, __u32 at, __be16 ethertype, __u32 mtu)
{
	__u8 ip[20], tcp[14];
	struct search f = {.skb = skb};
	if (bpf_skb_load_bytes(skb, at, ip, sizeof(ip)))
		return;
	if (ethertype == bpf_htons(ETH_P_IP)) {
		if (ip[9] != PROTOCOL_TCP || (ip[0] & 15) < 5 || (ip[6] & 0x3f) || ip[7])
			return;
		f.at = at + (ip[0] & 15) * 4;
		f.mss = mtu - 40;
	} else {
		if (ip[6] != PROTOCOL_TCP)
			return;
		f.at = at + 40;
		f.mss = mtu - 60;
	}
	if (bpf_skb_load_bytes(skb, f.at, tcp, sizeof(tcp)) || !(tcp[13] & 2))
		return;
	f.option = f.at + 20;
	f.end = f.at + (tcp[12] >> 4) * 4;
	if (f.end > skb->len)
		return;
	bpf_loop(40, clamp_option, &f, 0);
}

/* hand_over gives what strip has stripped, and GRO has joined, to the TUN device, as if
 * that had received it. */
SEC("tc")
int hand_over(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	struct note *n = (void *)(long)skb->data_meta;
	if ((void *)(n + 1) > data || n->mark != MARK)
		return TCX_NEXT;
	if (skb->vlan_present) { /* a tag that strip has not seen, for the network card had taken it off */
		stranger();
		return TCX_DROP;
	}
	__u32 device = n->device, mtu = n->mtu;
	if (!skb->gso_size)
		clamp(skb, sizeof(struct ethhdr), skb->protocol, mtu);
	return bpf_redirect(device, BPF_F_INGRESS);
}

/* even returns the length of each segment's IP packet if all of a super-packet's are of one
 * length, else 0. The kernel copies what stands before the network header to each segment,
 * with one PPPoE length in it. Only TCP without tunnels, IPv4 options and extension headers
 * is looked at. */
static __always_inline __u32 even(struct __sk_buff *skb)
{
	__u8 ip[20], tcp[14];
	__u32 header = 40;
	if (bpf_skb_load_bytes(skb, 0, ip, sizeof(ip)))
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (ip[0] != 0x45 || ip[9] != PROTOCOL_TCP)
			return 0;
		header = 20;
	} else if (ip[6] != PROTOCOL_TCP) {
		return 0;
	}
	if (bpf_skb_load_bytes(skb, header, tcp, sizeof(tcp)))
		return 0;
	header += (tcp[12] >> 4) * 4;
	if (skb->len - header != skb->gso_size * skb->gso_segs)
		return 0;
	return header + skb->gso_size;
}

/* send puts room octets more before what is to be sent, the line's header over them and
 * what was there, and sends it. */
static __always_inline int send(struct __sk_buff *skb, struct key *key, struct session *s, struct counters *c, __u32 room, __u32 packet)
{
	struct header h = {.version_type = 0x11, .id = key->id, .length = bpf_htons(packet + 2)};
	h.protocol = skb->protocol == bpf_htons(ETH_P_IP) ? bpf_htons(PPP_IPV4) : bpf_htons(PPP_IPV6);
	__builtin_memcpy(h.eth.h_dest, key->ac, sizeof(key->ac));
	__builtin_memcpy(h.eth.h_source, s->mac, sizeof(s->mac));
	h.eth.h_proto = bpf_htons(ETH_P_PPP_SES);
	__u32 segments = skb->gso_segs ?: 1;
	__u64 octets = skb->gso_size ? (__u64)segments * packet : packet;
	if (bpf_skb_change_head(skb, room, 0)) {
		c->tx_failed += segments;
		return TCX_DROP;
	}
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (data + sizeof(h) > end) {
		c->tx_failed += segments;
		return TCX_DROP;
	}
	__builtin_memcpy(data, &h, sizeof(h));
	c->tx_packets += segments;
	c->tx_bytes += octets;
	return bpf_redirect(line_ifindex, 0);
}

/* encapsulate sends a packet that leaves by a TUN device out on the line. */
SEC("tc")
int encapsulate(struct __sk_buff *skb)
{
	__u32 device = skb->ifindex, packet = skb->len, segments = skb->gso_segs ?: 1;
	struct key *key = bpf_map_lookup_elem(&devices, &device);
	if (!key)
		return TCX_NEXT;
	struct session *s = bpf_map_lookup_elem(&sessions, key);
	struct counters *c = bpf_map_lookup_elem(&traffic, &device);
	if (!s || !c || s->device != device)
		return TCX_NEXT;
	__u32 open = skb->protocol == bpf_htons(ETH_P_IP) ? PASS_IPV4 : skb->protocol == bpf_htons(ETH_P_IPV6) ? PASS_IPV6 : 0;
	if (!(s->flags & open)) {
		c->tx_closed += segments;
		return TCX_DROP;
	}
	if (s->flags & SLOW_UPLOAD) {
		c->tx_slow += segments;
		return TCX_NEXT;
	}
	if (!skb->gso_size) {
		clamp(skb, 0, skb->protocol, s->mtu);
	} else if (!(packet = even(skb))) {
		if (!split_ifindex) {
			c->tx_slow += segments;
			return TCX_NEXT;
		}
		/* The pair's Ethernet header says whose it is, and goes with each segment. */
		struct ethhdr eth = {.h_proto = skb->protocol};
		__builtin_memcpy(eth.h_dest, key->ac, sizeof(key->ac));
		__builtin_memcpy(eth.h_source, &key->id, sizeof(key->id));
		if (bpf_skb_change_head(skb, sizeof(eth), 0) || bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0)) {
			c->tx_failed += segments;
			return TCX_DROP;
		}
		c->tx_split++;
		return bpf_redirect(split_ifindex, 0);
	}
	if (packet > s->mtu) {
		c->tx_mtu += segments;
		return TCX_DROP;
	}
	return send(skb, key, s, c, sizeof(struct header), packet);
}

/* encapsulate_segment does the same for a segment that comes out of the pair of veths. */
SEC("tc")
int encapsulate_segment(struct __sk_buff *skb)
{
	struct ethhdr eth;
	struct key key;
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return TCX_DROP;
	__builtin_memcpy(&key.id, eth.h_source, sizeof(key.id));
	__builtin_memcpy(key.ac, eth.h_dest, sizeof(key.ac));
	struct session *s = bpf_map_lookup_elem(&sessions, &key);
	if (!s)
		return TCX_DROP;
	__u32 device = s->device, packet = skb->len - sizeof(eth);
	struct counters *c = bpf_map_lookup_elem(&traffic, &device);
	if (!c)
		return TCX_DROP;
	if (packet > s->mtu || skb->gso_size) {
		c->tx_mtu++;
		return TCX_DROP;
	}
	return send(skb, &key, s, c, sizeof(struct header) - sizeof(struct ethhdr), packet);
}

/* Some helpers are for programs under the GPL only. */
char LICENSE[] SEC("license") = "GPL";
