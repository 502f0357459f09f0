package connection

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 30 * time.Second
	DefaultReconnectMin   = time.Second
	DefaultReconnectMax   = time.Minute
	DefaultHealthInterval = time.Minute
	DefaultReachInterval  = 5 * time.Second
	// DefaultQPS is controller-runtime's limit for a client; here it is for all users
	// of one member. DefaultBurst is enough to start 20 streams without waiting.
	DefaultQPS   = 20.0
	DefaultBurst = 40
	// DefaultMaxAnswer has room for a list of some 50,000 Pods.
	DefaultMaxAnswer = 1 << 30
)

// Config is what an operator may tune about connections. The zero value of
// every field stands for its default, which is that of the program's flag if it has
// one.
type Config struct {
	// ConnectTimeout bounds dialing, the TLS handshake and one whole probe.
	// Default 30s.
	ConnectTimeout time.Duration
	// ReconnectMin bounds the first delay after a failed probe (full jitter:
	// the delay is drawn from zero to this), and is the least time between
	// two probes that were asked for by failed calls. Default 1s.
	ReconnectMin time.Duration
	// ReconnectMax bounds every later delay of a member that answers and refuses;
	// see ReachInterval for one that does not answer. A connection that was live for
	// this long begins at ReconnectMin again when it fails. Default 1m.
	ReconnectMax time.Duration
	// ReachInterval is the least time between two reachability probes of a
	// member that does not answer, which cost it next to nothing; at most a tenth
	// more passes, and after an outage of 120 times as long, a 120th of that.
	// Never more than ReconnectMax. Default 5s.
	ReachInterval time.Duration
	// HealthInterval is the time between probes of a live member, give or
	// take a fifth. Default 1m.
	HealthInterval time.Duration
	// QPS is how many requests per second all users of the connection
	// together may send to the member's API server; probes are not counted.
	// Default 20.
	QPS float64
	// Burst is how many requests may be sent at once above QPS. Default 40.
	Burst int
	// MaxAnswer bounds what one answer may take in memory that a cache, or
	// another client of the member's own, reads whole, in bytes: about what it
	// takes once it is decoded. A larger one is an error, and a list that is
	// larger is never complete. What a watch tells, and a list that begins as
	// one, is bounded frame by frame, at 32 MiB each. Of an answer in protobuf
	// only the bytes are known, and count four times: a member that means harm
	// can make one of small objects take more. Default 1 GiB.
	MaxAnswer int64
}

// Validate returns all errors of c, joined; each names its field. Zero values
// are fine.
func (c Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"ConnectTimeout", c.ConnectTimeout},
		{"ReconnectMin", c.ReconnectMin},
		{"ReconnectMax", c.ReconnectMax},
		{"HealthInterval", c.HealthInterval},
		{"ReachInterval", c.ReachInterval},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be negative, is %v", d.field, d.value))
		}
	}
	if full := c.WithDefaults(); full.ReconnectMin > 0 && full.ReconnectMax > 0 && full.ReconnectMin > full.ReconnectMax {
		errs = append(errs, fmt.Errorf("ReconnectMin: must be at most ReconnectMax (%v), is %v", full.ReconnectMax, full.ReconnectMin))
	}
	if c.QPS < 0 || math.IsNaN(c.QPS) || math.IsInf(c.QPS, 0) {
		errs = append(errs, fmt.Errorf("QPS: must be a positive number, is %v", c.QPS))
	}
	if c.Burst < 0 {
		errs = append(errs, fmt.Errorf("%s: must not be negative, is %d", "Burst", c.Burst))
	}
	if c.MaxAnswer < 0 {
		errs = append(errs, fmt.Errorf("MaxAnswer: must not be negative, is %d", c.MaxAnswer))
	}
	return errors.Join(errs...)
}

// WithDefaults returns c with the defaults in the place of zero values.
func (c Config) WithDefaults() Config {
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	c.ReconnectMin = cmp.Or(c.ReconnectMin, DefaultReconnectMin)
	c.ReconnectMax = cmp.Or(c.ReconnectMax, DefaultReconnectMax)
	c.HealthInterval = cmp.Or(c.HealthInterval, DefaultHealthInterval)
	c.ReachInterval = min(cmp.Or(c.ReachInterval, DefaultReachInterval), c.ReconnectMax)
	c.QPS = cmp.Or(c.QPS, DefaultQPS)
	c.Burst = cmp.Or(c.Burst, DefaultBurst)
	c.MaxAnswer = cmp.Or(c.MaxAnswer, DefaultMaxAnswer)
	return c
}
