package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// configPoll is how often the configuration file is looked at. What has changed is read
// once two looks have seen the same: a file that is being written is not.
const configPoll = 5 * time.Second

// liveFlags are those whose values can change while the program runs.
var liveFlags = []string{"cluster-qps", "cluster-burst", "cluster-snapshot-qps", "cluster-limit", "log-level"}

// reloader reads the configuration file again, and applies what can be applied.
type reloader struct {
	running *settings         // what the program was started with
	applied map[string]string // the values of the flags, as far as they are live
	poll    time.Duration
	limiter *limiter
	level   *slog.LevelVar
	log     logr.Logger
	metrics reloadMetrics
	last    [sha256.Size]byte // of the content that was applied last
	seen    [sha256.Size]byte // of what the last look has seen
	failed  string            // why it was not applied; empty: it was
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
		running: s, applied: s.values, poll: cmp.Or(s.configPoll, configPoll), limiter: p.limiter, level: s.level,
		log: p.log.WithValues("file", string(s.File)), metrics: metrics, last: s.file, seen: s.file,
	}
	r.metrics.loaded(nil)
	r.tellOverruled(s)
	return r, nil
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
			r.look(true)
		case <-tick.C:
			r.look(false)
		}
	}
}

// look reads the file if it has changed, if what was wrong with it may have passed, or if
// it is asked to.
func (r *reloader) look(asked bool) {
	text, err := smallfile.Read(string(r.running.File), configfile.MaxSize)
	if err != nil {
		r.fail(err)
		return
	}
	digest := sha256.Sum256(text)
	settled := digest == r.seen
	r.seen = digest
	if !asked && (!settled || digest == r.last && r.failed == "") {
		return
	}
	s, err := loadText(r.running.given, text, r.running.options)
	if err != nil {
		r.fail(err)
		return
	}
	r.last, r.failed = digest, ""
	r.apply(s)
}

// fail tells why the file is not applied, once.
func (r *reloader) fail(err error) {
	r.metrics.successful.Set(0)
	if r.failed == err.Error() {
		return
	}
	r.failed = err.Error()
	r.log.Error(err, "The configuration file cannot be used; what was read before stays in effect")
}

// apply puts new values in effect.
func (r *reloader) apply(s *settings) {
	var changed, restart []string
	for flag, value := range s.values {
		switch {
		case !slices.Contains(liveFlags, flag):
			if value != r.running.values[flag] {
				restart = append(restart, flag)
			}
		case value != r.applied[flag]:
			changed = append(changed, flag)
		}
	}
	slices.Sort(changed)
	slices.Sort(restart)
	if len(changed) > 0 {
		level, _ := parseLevel(s.LogLevel) // it has been checked
		r.level.Set(level)
		r.limiter.change(s.clusterLimits())
	}
	r.applied = s.values
	r.metrics.loaded(restart)
	r.log.Info("Read the configuration file", "changed", changed, "needsRestart", restart)
	r.tellOverruled(s)
}

// tellOverruled says which keys do not count.
func (r *reloader) tellOverruled(s *settings) {
	if len(s.overruled) > 0 {
		r.log.Info("Flags of the command line win over keys of the configuration file", "keys", s.overruled)
	}
}
