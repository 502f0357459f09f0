package app

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/sinks"
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
	excluded  []stream.Spec // that no wildcard stands for
	limits    []clusterLimit
	sinks     []*sinks.Spec
	store     *ledger.StoreSpec
	redactKey []byte     // of the rules
	lock      locks.Spec // of the election, if there is one

	level  *slog.LevelVar    // of the log
	given  []givenFlag       // on the command line
	values map[string]string // of all flags, as texts
	// file is the digest of the configuration file. overruled are its keys that do not
	// count, as the command line has the flags.
	file      [sha256.Size]byte
	overruled []string

	configPoll time.Duration // 0: the constant's
}

// parse reports everything that is wrong with the flags at once, or returns
// what they say.
func (c *Config) parse(o Options) (*settings, error) {
	s := &settings{Config: *c, options: o, level: new(slog.LevelVar)}
	level, _ := parseLevel(c.LogLevel) // check tells what is wrong with it
	s.level.Set(level)
	errs := []error{c.check()}
	var err error
	if s.providers, err = c.parseClusters(o.memberKinds()); err != nil {
		errs = append(errs, err)
	}
	if s.specs, err = stream.ParseSpecs(c.Watches); err != nil {
		var p problems
		p.addError("watch", err)
		errs = append(errs, p...)
	}
	if s.excluded, err = parseExclusions(c.WatchExcludes, s.specs); err != nil {
		errs = append(errs, err)
	}
	if s.limits, err = parseClusterLimits(c.ClusterLimits); err != nil {
		errs = append(errs, err)
	}
	if s.sinks, err = parseSinks(c.Sinks, o.sinkKinds()); err != nil {
		errs = append(errs, err)
	}
	if s.redactKey, err = c.readRedactKey(); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, s.checkRules())
	}
	if !o.tellsUnkept {
		errs = append(errs, s.checkUnkept())
	}
	if s.lock, err = c.parseLock(); err != nil {
		errs = append(errs, err)
	}
	if s.store, err = o.storeKinds().Parse(c.Ledger); err != nil {
		var p problems
		p.addError("ledger", err)
		errs = append(errs, p...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// parseExclusions parses the values of --watch-exclude, which make sense only beside
// wildcards.
func parseExclusions(values []string, specs []stream.Spec) ([]stream.Spec, error) {
	var p problems
	excluded, err := stream.ParseExclusions(values)
	p.addError("watch-exclude", err)
	named, wildcards := stream.Split(specs)
	if len(excluded) > 0 && len(wildcards) == 0 && len(specs) > 0 {
		p.add("watch-exclude", "there is no wildcard to exclude anything from; it is for --watch '*' and the like")
	}
	for _, x := range excluded {
		for _, spec := range named {
			if spec.Resource == x.Resource && spec.Group == x.Group {
				p.add("watch-exclude", "%q is named by --watch %q, which goes before; leave one of them out", x, spec)
			}
		}
	}
	return excluded, errors.Join(p...)
}

// parseSinks parses the values of --sink. An identity is there once: it is what
// tells sinks apart in the ledger.
func parseSinks(values []string, kinds sinks.Kinds) ([]*sinks.Spec, error) {
	var p problems
	var specs []*sinks.Spec
	seen := map[string]bool{}
	if len(values) == 0 {
		p.add("sink", "no sink; write %s", kinds.Table().Usages())
	}
	for _, v := range values {
		spec, err := kinds.Parse(v)
		switch {
		case err != nil:
			p.addError("sink", err)
			continue
		case seen[spec.Identity]:
			advice := " If these are two sinks, give one of them another name="
			if strings.HasPrefix(v, "file:") {
				advice = "" // a file is one sink's alone
			}
			p.add("sink", "%q is given twice; every change would arrive twice.%s", spec.Identity, advice)
		}
		seen[spec.Identity] = true
		specs = append(specs, spec)
	}
	return specs, errors.Join(p...)
}

// userAgent names the program to API servers.
func (s *settings) userAgent() string { return "fairlead/" + s.options.Version }

// zeroIsNone returns a flag's value, whose 0 switches something off, for those to whom 0
// is the default and less than 0 switches it off.
func zeroIsNone[T int | int64 | time.Duration](value T) T {
	if value == 0 {
		return -1
	}
	return value
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
			AuditInterval: zeroIsNone(s.AuditInterval),
		},
		MaxConcurrentSnapshots: s.MaxConcurrentSnapshots,
		ExtraWatches:           s.RouteExtraWatches,
		MaxStreams:             zeroIsNone(s.MaxStreams),
		Quota:                  ledger.Quota{Objects: zeroIsNone(s.MaxObjects), Bytes: zeroIsNone(int64(s.MaxLedgerBytes))},
		NameHold:               zeroIsNone(s.NameHold),
		UserAgent:              s.userAgent(),
	}
}
