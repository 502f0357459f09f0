package app

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// configPoll is how often the configuration file is looked at. A mounted ConfigMap
// changes about a minute after the object.
const configPoll = 10 * time.Second

// liveFlags are those whose values can change while the program runs.
var liveFlags = []string{"cluster-qps", "cluster-burst", "cluster-snapshot-qps", "cluster-limit", "log-level"}

// reloader reads the configuration file again, and applies what can be applied.
type reloader struct {
	running *settings // what the program was started with
	applied map[string]string
	limiter *limiter
	level   *slog.LevelVar
	log     logr.Logger
	metrics reloadMetrics
	last    [sha256.Size]byte // of the content that was read last
}

// reloadMetrics tell of the configuration file.
type reloadMetrics struct {
	successful, at, restart prometheus.Gauge
}

func newReloadMetrics(reg prometheus.Registerer) (m reloadMetrics, err error) {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		if e := reg.Register(g); e != nil && err == nil {
			err = e
		}
		return g
	}
	m.successful = gauge("fairlead_config_last_reload_successful", "1 if the configuration file was valid when it was read last, else 0.")
	m.at = gauge("fairlead_config_last_reload_success_timestamp_seconds", "When the configuration file was read last and was valid, in seconds since 1970.")
	m.restart = gauge("fairlead_config_restart_required", "Number of flags whose values in the configuration file need a restart of the program.")
	return m, err
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
	r := &reloader{running: s, applied: s.values, limiter: p.limiter, level: s.level, log: p.log.WithValues("file", string(s.File)), metrics: metrics}
	r.loaded(nil)
	r.last = digestOf(string(s.File))
	return r, nil
}

// digestOf returns that of a file's content; zero if it cannot be read.
func digestOf(path string) (digest [sha256.Size]byte) {
	if text, err := smallfile.Read(path, configfile.MaxSize); err == nil {
		digest = sha256.Sum256(text)
	}
	return digest
}

// run looks at the file until ctx ends, and reads it on SIGHUP.
func (r *reloader) run(ctx context.Context, hangup <-chan os.Signal) {
	for ctx.Err() == nil {
		asked := false
		timer := time.NewTimer(configPoll)
		select {
		case <-ctx.Done():
		case <-hangup:
			asked = true
		case <-timer.C:
		}
		timer.Stop()
		r.look(asked)
	}
}

// look reads the file if it has changed, or if it is asked to.
func (r *reloader) look(asked bool) {
	digest := digestOf(string(r.running.File))
	if digest == r.last && !asked {
		return
	}
	r.last = digest
	s, err := load(r.running.given, r.running.options)
	if err != nil {
		r.metrics.successful.Set(0)
		r.log.Error(err, "The configuration file is not valid; what was read before stays in effect")
		return
	}
	r.apply(s)
}

// apply puts new values in effect.
func (r *reloader) apply(s *settings) {
	var changed, restart []string
	for flag, value := range s.values {
		switch {
		case slices.Contains(liveFlags, flag):
			if value != r.applied[flag] {
				changed = append(changed, flag)
			}
		case value != r.running.values[flag]:
			restart = append(restart, flag)
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
	r.loaded(restart)
	r.log.Info("Read the configuration file", "changed", changed, "needsRestart", restart)
}

func (r *reloader) loaded(restart []string) {
	r.metrics.successful.Set(1)
	r.metrics.at.SetToCurrentTime()
	r.metrics.restart.Set(float64(len(restart)))
}
