package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources"
)

// errNotPaused says that there is no such pause.
var errNotPaused = errors.New("is not paused")

// paused returns what is paused, by name.
func (o *orders) paused() []api.Pause {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pausesLocked()
}

func (o *orders) pausesLocked() []api.Pause {
	return slices.SortedFunc(maps.Values(o.pauses), func(a, b api.Pause) int { return strings.Compare(a.String(), b.String()) })
}

// pause puts a pause into effect, in the place of one of the same that there is. It returns
// once it is in effect and, unless there is a reason why not, stored.
func (o *orders) pause(ctx context.Context, p api.Pause) (notStored string, err error) {
	err = func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if _, is := o.pauses[p.Target]; !is && len(o.pauses) >= mostOrders {
			return errManyOrders
		}
		if err := o.keepLocked(keptPause+p.String(), p); err != nil {
			return err
		}
		o.pauses[p.Target] = p
		o.applyLocked()
		o.expireLocked(time.Now())
		o.log.Info("Paused, as it was asked for", pauseValues(p)...)
		return nil
	}()
	if err != nil {
		return "", err
	}
	return o.store(ctx, p.String()), nil
}

// resume ends a pause, which it returns. by is who asks for it.
func (o *orders) resume(ctx context.Context, of api.Target, by string) (p api.Pause, notStored string, err error) {
	err = func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		var is bool
		if p, is = o.pauses[of]; !is {
			return fmt.Errorf("%s %w", of, errNotPaused)
		}
		if err := o.keepLocked(keptPause+of.String(), nil); err != nil {
			return err
		}
		delete(o.pauses, of)
		o.applyLocked()
		o.expireLocked(time.Now())
		o.log.Info("Resumed, as it was asked for", append(pauseValues(p), "resumedBy", by)...)
		return nil
	}()
	if err != nil {
		return p, "", err
	}
	return p, o.store(ctx, of.String()), nil
}

// applyLocked has the engine do what is paused, and nothing else. When it returns, nothing of
// that is handed out any more.
func (o *orders) applyLocked() {
	e := o.engine
	if e == nil {
		return
	}
	clusters, routes := map[string]bool{}, map[string]bool{}
	type stream struct{ cluster, resource string }
	streams := map[stream]bool{}
	p := sources.Paused{Clusters: map[string]bool{}, Held: map[string][]string{}, Stopped: map[string][]string{}}
	for _, one := range o.pauses {
		switch {
		case one.Route != "":
			routes[one.Route] = true
		case one.Resource != "":
			streams[stream{one.Cluster, one.Resource}] = true
			of := p.Held
			if one.Mode == api.PauseStop {
				of = p.Stopped
			}
			of[one.Cluster] = append(of[one.Cluster], one.Resource)
		default:
			clusters[one.Cluster] = true
			p.Clusters[one.Cluster] = one.Mode == api.PauseStop
		}
	}
	for _, r := range e.routes {
		h := queue.Hold[*pipeline.Change]{All: routes[r.name], Clusters: maps.Clone(clusters)}
		if len(streams) > 0 {
			h.Items = func(c *pipeline.Change) bool { return streams[stream{c.Key.Cluster, c.Key.Resource}] }
		}
		r.queue.Hold(h)
	}
	e.sources.SetPaused(p)
}

// targetValues are what a log line tells of what an order is of.
func targetValues(t api.Target) (values []any) {
	for _, of := range []struct{ key, value string }{{"cluster", t.Cluster}, {"resource", t.Resource}, {"route", t.Route}} {
		if of.value != "" {
			values = append(values, of.key, of.value)
		}
	}
	return values
}

// pauseValues are what a log line tells of a pause.
func pauseValues(p api.Pause) []any {
	values := append([]any{"mode", p.Mode, "by", p.By, "reason", p.Reason}, targetValues(p.Target)...)
	if !p.Until.IsZero() {
		values = append(values, "until", p.Until)
	}
	return values
}
