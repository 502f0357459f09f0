package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// configPoll is how often the configuration file is looked at. What has changed is read
// once two looks have seen the same: a file that is being written is not.
const configPoll = 5 * time.Second

// liveFlags are those whose values change at once, with nothing interrupted.
var liveFlags = []string{"cluster-qps", "cluster-burst", "cluster-snapshot-qps", "cluster-limit", "log-level"}

// startFlags are those whose values only a restart changes: what they name is shared by all
// engines of a process, or with other processes. All other flags are an engine's.
var startFlags = []string{
	"config",
	"clusters", "include-hub", "hub-kubeconfig", "cluster-profile-access-providers", "name-hold",
	"ledger", "ledger-retention", "dead-letter",
	"leader-elect", "leader-elect-lock", "leader-election-id", "leader-election-namespace",
	"leader-election-lease-duration", "leader-election-renew-deadline", "leader-election-retry-period",
	"advertise-address", "leader-label",
	"metrics-bind-address", "metrics-max-clusters", "health-probe-bind-address", "admin-bind-address", "log-format",
}

// reloader reads the configuration file again, and applies what can be applied.
type reloader struct {
	running *settings // what the program was started with
	applied *settings // what is in effect
	poll    time.Duration
	limiter *limiter
	level   *slog.LevelVar
	change  func(context.Context, *settings) error // has another engine work
	keep    func(*settings) bool                   // for an engine that does not run yet
	refused func() *refusal                        // what was kept for an engine, and could not be used
	log     logr.Logger
	metrics reloadMetrics
	last    [sha256.Size]byte // of the content that was applied last
	seen    [sha256.Size]byte // of what the last look has seen
	retries retries

	mu    sync.Mutex
	shown api.Config
}

// maxRetryLooks is at how many looks a file is applied again that could not be: once a minute.
const maxRetryLooks = 12

// retries says when a file is applied again that could not be, as what was wrong may pass. To
// open the other sinks that it names has costs: it comes more and more rarely.
type retries struct {
	every int // looks; 0: there is nothing to apply
	left  int // looks until then
}

// failed says that an attempt has failed.
func (r *retries) failed() {
	r.every = min(max(2*r.every, 1), maxRetryLooks)
	r.left = r.every
}

// due counts a look, and reports whether it is to apply the file again.
func (r *retries) due() bool {
	r.left--
	return r.every > 0 && r.left < 0
}

// newReloader returns what follows the configuration file; nil if there is none.
func (p *program) newReloader() (*reloader, error) {
	s := p.settings
	if s.File == "" {
		return nil, nil
	}
	metrics, err := newReloadMetrics(p.registerer)
	if err != nil {
		return nil, err
	}
	r := &reloader{
		running: s, applied: s, poll: cmp.Or(s.configPoll, configPoll), limiter: p.limiter, level: s.level, change: p.change,
		keep: p.changes.keep, refused: p.changes.takeRefusal, log: p.log.WithValues("file", string(s.File)), metrics: metrics, last: s.file, seen: s.file,
	}
	r.succeed(s, nil)
	return r, nil
}

// status returns what /clusters shows; nil if there is no file.
func (r *reloader) status() *api.Config {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return new(r.shown)
}

// run looks at the file until ctx ends, and reads it on SIGHUP.
func (r *reloader) run(ctx context.Context, hangup <-chan os.Signal) {
	tick := time.NewTicker(r.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			r.look(ctx, true)
		case <-tick.C:
			r.look(ctx, false)
		}
	}
}

// look reads the file if it has changed, if what was wrong with it may have passed, or if
// it is asked to.
func (r *reloader) look(ctx context.Context, asked bool) {
	if refused := r.refused(); refused != nil && refused.settings == r.applied {
		r.applied = refused.instead
		r.applyLimits()
		r.failTo(refused.err)
	}
	text, err := smallfile.Read(string(r.running.File), configfile.MaxSize)
	if err != nil {
		r.retries = retries{every: 1}
		r.fail(err)
		return
	}
	digest := sha256.Sum256(text)
	settled, changed := digest == r.seen, digest != r.last
	if r.seen = digest; !settled && r.retries.every > 0 {
		r.retries = retries{every: 1}
	}
	due := r.retries.due()
	if !asked && (!settled || !changed && r.retries.every == 0 || r.retries.every > 0 && !due) {
		return
	}
	switch err := r.apply(ctx, text); {
	case err == nil:
		r.last, r.retries = digest, retries{}
	case errors.Is(err, errStopping):
	case errors.Is(err, errWentBack):
		// Each attempt interrupts the delivery: the next one is for who changes the file.
		r.fail(err)
		r.last, r.retries = digest, retries{}
	default:
		r.failTo(err)
	}
}

// failTo tells why the file is not applied, which is tried again.
func (r *reloader) failTo(err error) {
	r.retries.failed()
	r.fail(err)
}

// fail tells why the file is not applied, once.
func (r *reloader) fail(err error) {
	r.metrics.successful.Set(0)
	text := redact.New().Text(err)
	r.mu.Lock()
	known := r.shown.Error == text
	r.shown.Error = text
	r.mu.Unlock()
	if !known {
		r.log.Error(errors.New(text), "The configuration file cannot be used; what was read before stays in effect")
	}
}

// apply puts new values in effect: all that can be while the program runs, or none.
func (r *reloader) apply(ctx context.Context, text []byte) error {
	s, err := loadText(r.running.given, text, nil, r.running.options)
	if err != nil {
		return err
	}
	restart := slices.DeleteFunc(slices.Clone(startFlags), func(flag string) bool { return s.values[flag] == r.running.values[flag] })
	slices.Sort(restart)
	if overruled := s.overruled; len(restart) > 0 {
		// The rest has to go with what stays.
		if s, err = loadText(r.running.given, text, r.running, r.running.options); err != nil {
			return err
		}
		s.overruled = overruled
	}
	changed, engine := r.changed(s)
	if kept := r.keep(s); engine && !kept {
		if err := r.change(ctx, s); err != nil {
			return err
		}
	}
	r.applied = s
	r.applyLimits()
	r.log.Info("Read the configuration file", "changed", changed, "needsRestart", restart)
	r.succeed(s, restart)
	return nil
}

// applyLimits has what is applied hold of what changes at once.
func (r *reloader) applyLimits() {
	level, _ := parseLevel(r.applied.LogLevel) // it has been checked
	r.level.Set(level)
	r.limiter.change(r.applied.clusterLimits())
}

// changed returns the flags that have other values than those in effect. Some may be an
// engine's.
func (r *reloader) changed(s *settings) (flags []string, engine bool) {
	for flag, value := range s.values {
		if value != r.applied.values[flag] {
			flags = append(flags, flag)
		}
	}
	if keyFile := "redact-key-file"; !slices.Contains(flags, keyFile) && !bytes.Equal(s.redactKey, r.applied.redactKey) {
		flags = append(flags, keyFile)
	}
	slices.Sort(flags)
	return flags, slices.ContainsFunc(flags, func(flag string) bool { return !slices.Contains(liveFlags, flag) })
}

// succeed tells that values are in effect, and of which ones that cannot be.
func (r *reloader) succeed(s *settings, restart []string) {
	r.metrics.loaded(restart)
	r.mu.Lock()
	r.shown = api.Config{File: string(s.File), Applied: time.Now(), NeedsRestart: restart, Overruled: s.overruled}
	r.mu.Unlock()
	if len(s.overruled) > 0 {
		r.log.Info("Flags of the command line win over keys of the configuration file", "keys", s.overruled)
	}
}
