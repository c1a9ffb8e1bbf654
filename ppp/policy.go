package ppp

// Policy is what a control protocol brings to an [Automaton]: the options it
// asks for and its opinion of the peer's.
type Policy interface {
	// Reset forgets what the peer refused, so that a new negotiation begins
	// with what we want; what Judge learnt of the peer stays.  It is called
	// before the first Configure-Request of each negotiation.
	Reset()
	// Request returns the options of our next Configure-Request, in order.
	Request() []Option
	// Refused takes the options of a Configure-Nak or Configure-Reject (code
	// says which) and changes the next Request accordingly. Every option of a
	// Configure-Reject was in our request with that value. An error ends the
	// negotiation and is its reason.
	Refused(code Code, options []Option) error
	// Judge answers the peer's Configure-Request with ConfigureAck (then the
	// returned options are ignored: all are acknowledged), ConfigureNak or
	// ConfigureReject. With nak false, a Nak is no longer allowed and what
	// would have been naked is to be rejected. An error ends the negotiation
	// and is its reason. [Judge] does the counting.
	Judge(options []Option, nak bool) (Code, []Option, error)
}

// Verdict is a policy's opinion of one option of the peer's.
type Verdict struct {
	code  Code
	value []byte
}

// Accept agrees to the option.
func Accept() Verdict { return Verdict{code: ConfigureAck} }

// Nak wants the option with another value.
func Nak(value []byte) Verdict { return Verdict{code: ConfigureNak, value: value} }

// Reject does not want to hear of the option.
func Reject() Verdict { return Verdict{code: ConfigureReject} }

// Judge asks opinion about each option of a Configure-Request and makes the
// answer from it (RFC 1661 sections 5.2 to 5.4): Reject if any is rejected,
// else Nak if any is naked, else Ack. A second option of one type is rejected,
// since none of the options that we know may be repeated.
//
// missing holds options that the peer left out and should have sent; they are
// appended to a Nak (section 5.3) while Naks are allowed.
func Judge(options []Option, nak bool, opinion func(Option) Verdict, missing ...Option) (Code, []Option) {
	var naked, rejected []Option
	seen := map[uint8]bool{}
	for _, o := range options {
		v := opinion(o)
		switch {
		case seen[o.Type], v.code == ConfigureReject, v.code == ConfigureNak && !nak:
			rejected = append(rejected, o)
		case v.code == ConfigureNak:
			naked = append(naked, Option{o.Type, v.value})
		}
		seen[o.Type] = true
	}
	if nak {
		for _, o := range missing {
			if !seen[o.Type] {
				naked = append(naked, o)
			}
		}
	}
	switch {
	case len(rejected) > 0:
		return ConfigureReject, rejected
	case len(naked) > 0:
		return ConfigureNak, naked
	}
	return ConfigureAck, options
}
