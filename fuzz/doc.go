// Package fuzz holds the fuzz targets of every parser and machine, with their
// corpora: what the line may send must never do harm.
//
// Targets that need no more than what a room exports are here; those of what it
// keeps to itself stand in the room, in its fuzz_test.go (capture, control,
// dataplane, lan, line, linklocal). What there is:
//
//   - codec_test.go: PPPoE frames, packets, tags and offers, PPP frames, packets
//     and options, addresses as people write them. Seeds are the frames of
//     lab/captures.
//   - discovery_test.go, automaton_test.go: the two machines at the bottom, each
//     beside a twin that is never taken out of a snapshot.
//   - policy_test.go: LCP, IPCP, IPv6CP, PAP and CHAP, fed with packets.
//   - session_test.go: a whole session, in a language in which the AC speaks well
//     and badly. FuzzSession keeps all lengths right; FuzzSessionLengths breaks one
//     in each frame (lengths_test.go). resume_test.go takes over what an earlier
//     version may have left.
//   - concentrator_test.go: the same from the other side, FuzzConcentrator and
//     FuzzConcentratorLengths; line_test.go: a whole simulated line, and what
//     people write for it.
//   - dhcpv6_test.go, advertiser_test.go: the client of prefix delegation, and
//     what LANs are told.
//   - files_test.go, sealed_test.go: configuration, state, leases, events, history
//     and the undo journal as files of any content; behind right checksums, too.
//   - mss_test.go: the MSS clamp.
//
// Beside the targets are models, which `go test` runs as they are: all that can befall, as far as there is time.
//
//   - model_pairs_test.go: two automata with the policies of a protocol come to an end, with each fault and pair of faults of
//     the line between them, and on a line that stays bad.
//   - model_faults_test.go: so do a session and its concentrator, from PADI to PADT; when a bad line heals, within a minute.
//   - model_foreign_test.go: what is somebody else's changes nothing, at either end.
//   - model_gate_test.go: no IP passes before the login and its NCP, at either end.
//   - model_replies_test.go: few packets follow from a frame.
//   - model_restore_test.go: a session that is restored at any step goes on as it would have.
//
// That an automaton alone is RFC 1661's is found in ppp/model_test.go, as deep as PPP_MODEL_DEPTH.
//
// A target holds what is said beside it, and no input may allocate more than it
// justifies ([Frugal]), make frames without bound, or set a deadline in the
// past.
//
// fuzz/run runs all targets, one after the other, and tells at the end what came of each;
// `make fuzz` takes some minutes, `make fuzz-long` more than an hour, and `make test`
// has each mutate a few hundred times. An input that breaks one is written to
// testdata/fuzz/TARGET/ beside the target's file. There it stays, is committed with
// the mending, and is run by every `go test` from then on.
package fuzz
