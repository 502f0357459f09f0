package memberstatus

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// task is one object that differs from what it should be.
type task struct {
	cluster string
	want    *Status // nil: it is to be deleted
	held    *held   // nil: there is none
	urgent  bool    // it is new or leaves, or a condition turns
}

// round compares all members with what the hub has, and writes what is most urgent, no
// more than a burst: then it is time to look again. It returns how long the look took,
// and the first error of the hub, or else of an object.
func (w *Writer) round(ctx context.Context) (took time.Duration, err error) {
	if now := time.Now(); w.held == nil || now.Sub(w.listed) >= relist {
		found, err := w.hub.list(ctx)
		if err != nil {
			return 0, err
		}
		for cluster, h := range found {
			if was := w.held[cluster]; was != nil {
				h.written = was.written
			}
		}
		w.held, w.listed = found, now
	}
	began := time.Now()
	tasks := w.look(began)
	took = time.Since(began)
	w.metrics.pending.Set(float64(len(tasks)))
	var refused error
	for _, t := range tasks[:min(len(tasks), w.o.Burst)] {
		err := w.do(ctx, t)
		if errors.Is(err, errChanged) {
			err = w.read(ctx, t.cluster)
		}
		switch one, is := errors.AsType[refusal](err); {
		case is:
			w.refused[t.cluster] = time.Now().Add(refusedFor)
			refused = cmp.Or(refused, error(one))
		case err != nil:
			return took, err
		default:
			delete(w.refused, t.cluster)
		}
	}
	return took, refused
}

// look returns what there is to do, the most urgent first, and of these what was written
// last the longest ago.
func (w *Writer) look(now time.Time) []task {
	known := w.o.Known() // before Members: who joins after that is no reason to delete
	members, ok := w.o.Members()
	if !ok {
		return nil
	}
	var tasks []task
	is := make(map[string]bool, len(members))
	for _, m := range members {
		is[m.Name], w.seen[m.Name] = true, true
		if m.Status == nil || now.Before(w.refused[m.Name]) {
			continue
		}
		t := task{cluster: m.Name, held: w.held[m.Name]}
		var before *Status
		if t.held != nil {
			before = t.held.status
		}
		if m.Starting && before != nil {
			continue
		}
		t.want, t.urgent = m.Status.bounded().since(before)
		if before != nil && t.held.text == t.want.text() {
			continue
		}
		if t.urgent || now.Sub(t.held.written) >= Lazily {
			tasks = append(tasks, t)
		}
	}
	for cluster, h := range w.held {
		if !is[cluster] && (known || w.seen[cluster]) && !now.Before(w.refused[cluster]) {
			tasks = append(tasks, task{cluster: cluster, held: h, urgent: true})
		}
	}
	for cluster := range w.seen {
		if !is[cluster] && w.held[cluster] == nil {
			delete(w.seen, cluster)
			delete(w.refused, cluster)
		}
	}
	slices.SortFunc(tasks, func(a, b task) int {
		return cmp.Or(boolean(b.urgent)-boolean(a.urgent), a.age().Compare(b.age()), strings.Compare(a.cluster, b.cluster))
	})
	return tasks
}

// age is when its object was written.
func (t *task) age() time.Time {
	if t.held == nil {
		return time.Time{}
	}
	return t.held.written
}

func boolean(is bool) int {
	if is {
		return 1
	}
	return 0
}

// do makes the hub have what a task wants.
func (w *Writer) do(ctx context.Context, t task) error {
	if t.want == nil {
		if err := w.hub.remove(ctx, t.cluster, t.held); err != nil {
			return err
		}
		delete(w.held, t.cluster)
		w.metrics.writes.WithLabelValues("delete").Inc()
		return nil
	}
	if t.held == nil {
		made, err := w.hub.create(ctx, t.cluster)
		if err != nil {
			return err
		}
		t.held, w.held[t.cluster] = made, made
		w.metrics.writes.WithLabelValues("create").Inc()
	}
	written, err := w.hub.apply(ctx, t.cluster, t.held, t.want)
	if err != nil {
		return err
	}
	// What the hub has made of it is not compared: it would be written for ever if a
	// webhook changed it.
	written.set(t.want)
	written.written = time.Now()
	w.held[t.cluster] = written
	w.metrics.writes.WithLabelValues("update").Inc()
	return nil
}

// read reads one object again that is not what it was.
func (w *Writer) read(ctx context.Context, cluster string) error {
	found, err := w.hub.get(ctx, cluster)
	if err != nil {
		return err
	}
	if found == nil {
		delete(w.held, cluster)
		return nil
	}
	w.held[cluster] = found
	return nil
}
