package app

import (
	"errors"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// settings is a Config whose texts have been understood.
type settings struct {
	Config
	options   Options
	providers []fleet.Provider
	specs     []stream.Spec
	limits    []clusterLimit
	sinks     []sinkSpec
	lock      locks.Spec // of the election, if there is one
}

// sinkSpec is one --sink.
type sinkSpec struct {
	value  string // as given
	scheme string // what comes before the colon
	rest   string // what comes after it: a file's path
}

// parse reports everything that is wrong with the flags at once, or returns
// what they say.
func (c *Config) parse(o Options) (*settings, error) {
	s := &settings{Config: *c, options: o}
	errs := []error{c.check()}
	var err error
	if s.providers, err = c.parseClusters(); err != nil {
		errs = append(errs, err)
	}
	if s.specs, err = stream.ParseSpecs(c.Watches); err != nil {
		var p problems
		p.addError("watch", err)
		errs = append(errs, p...)
	}
	if s.limits, err = parseClusterLimits(c.ClusterLimits); err != nil {
		errs = append(errs, err)
	}
	if s.sinks, err = parseSinks(c.Sinks, o); err != nil {
		errs = append(errs, err)
	}
	if s.lock, err = c.parseLock(); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func parseSinks(values []string, o Options) ([]sinkSpec, error) {
	var p problems
	var specs []sinkSpec
	seen := map[string]bool{}
	if len(values) == 0 {
		p.add("sink", "no sink; give stdout: or file:PATH")
	}
	for _, v := range values {
		scheme, rest, ok := strings.Cut(v, ":")
		switch {
		case seen[v]:
			p.add("sink", "%q is given twice; every change would arrive twice", v)
		case !ok:
			p.add("sink", "%q has no scheme; give stdout: or file:PATH", v)
		case scheme == "stdout" && rest != "":
			p.add("sink", "%q: stdout: takes nothing after the colon", v)
		case scheme == "file" && rest == "":
			p.add("sink", "%q: a path must follow the colon", v)
		case scheme != "stdout" && scheme != "file" && o.Sinks[scheme] == nil:
			p.add("sink", "%q: no sink is called %q; give stdout: or file:PATH", v, scheme)
		default:
			specs = append(specs, sinkSpec{value: v, scheme: scheme, rest: rest})
		}
		seen[v] = true
	}
	return specs, errors.Join(p...)
}

// userAgent names the program to API servers.
func (s *settings) userAgent() string { return "fairlead/" + s.options.Version }

func (s *settings) buckets() *ratelimit.Buckets {
	b := ratelimit.New(ratelimit.Limit{QPS: s.ClusterQPS, Burst: s.ClusterBurst})
	for _, l := range s.limits {
		b.Set(l.cluster, l.limit)
	}
	return b
}

func (s *settings) snapshotBuckets() *ratelimit.Buckets {
	return ratelimit.New(ratelimit.Limit{QPS: s.ClusterSnapshotQPS})
}

// nameHold returns --name-hold for those to whom 0 is the default.
func (s *settings) nameHold() time.Duration {
	if s.NameHold == 0 {
		return -1
	}
	return s.NameHold
}

func (s *settings) sources() sources.Config {
	return sources.Config{
		Connection: connection.Config{
			ConnectTimeout: s.ConnectTimeout,
			ReconnectMin:   s.ReconnectMin,
			ReconnectMax:   s.ReconnectMax,
			QPS:            s.APIQPS,
			Burst:          s.APIBurst,
		},
		Stream: stream.Config{
			ReconnectMin:  s.ReconnectMin,
			ReconnectMax:  s.ReconnectMax,
			SyncTimeout:   s.SyncTimeout,
			StaleAfter:    s.StaleAfter,
			SecretValues:  s.IncludeSecretValues,
			AuditInterval: s.AuditInterval,
		},
		MaxConcurrentSnapshots: s.MaxConcurrentSnapshots,
		ExtraWatches:           s.RouteExtraWatches,
		Quota:                  ledger.Quota{Objects: s.MaxObjects, Bytes: int64(s.MaxLedgerBytes)},
		NameHold:               s.nameHold(),
		UserAgent:              s.userAgent(),
	}
}
