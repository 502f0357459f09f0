package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

const (
	// slotsPerMember is few enough that most names are taken again and again.
	slotsPerMember = 24

	// writeTimeout bounds one attempt at a write, writeAgain is the delay before
	// the next.
	writeTimeout = 10 * time.Second
	writeAgain   = 100 * time.Millisecond
)

// writer changes the objects of one member, one after the other, so that the
// order of its writes is the seed's.
type writer struct {
	member  *member
	random  *rand.Rand
	limit   *rate.Limiter
	clock   *clock
	journal *journal
	records *records
	slots   []slot
	colours *rand.Rand
}

// slot is a name that an object may have.
type slot struct {
	resource  schema.GroupVersionResource
	kind      string
	namespace string
	name      string
	taken     bool
}

// newWriter returns the writer of one member, whose objects are in so many
// namespaces.
func newWriter(m *member, seed, stream uint64, perSecond float64, namespaces int, c *clock, j *journal, r *records) *writer {
	w := &writer{
		member: m, clock: c, journal: j, records: r,
		random:  rand.New(rand.NewPCG(seed, 100+stream)),
		colours: rand.New(rand.NewPCG(seed, 1_000_000+stream)),
		limit:   rate.NewLimiter(rate.Limit(perSecond), 1),
	}
	for i := range slotsPerMember {
		s := slot{resource: resources[0], kind: "ConfigMap", namespace: writtenTo[i%3%namespaces], name: fmt.Sprintf("object-%02d", i)}
		if i%4 == 3 {
			s.resource, s.kind = resources[1], "Secret"
		}
		w.slots = append(w.slots, s)
	}
	return w
}

// run makes so many writes. It fails only when ctx ends: a write that fails is
// made again until it has succeeded.
func (w *writer) run(ctx context.Context, writes int) error {
	for writes > 0 {
		s := &w.slots[w.random.IntN(len(w.slots))]
		roll := w.random.IntN(100)
		var steps []func(context.Context, *slot) (*unstructured.Unstructured, error)
		switch {
		case !s.taken:
			steps = append(steps, w.create)
		case roll < 60:
			steps = append(steps, w.update)
		case roll < 80 || writes < 2:
			steps = append(steps, w.remove)
		default: // nobody may see that it was gone
			steps = append(steps, w.remove, w.create)
		}
		for _, step := range steps {
			if err := w.limit.Wait(ctx); err != nil {
				return err
			}
			if err := w.until(ctx, s, step); err != nil {
				return err
			}
			writes--
		}
	}
	return nil
}

// until makes one write, however long it takes.
func (w *writer) until(ctx context.Context, s *slot, step func(context.Context, *slot) (*unstructured.Unstructured, error)) error {
	for again := false; ; again = true {
		attempt, cancel := context.WithTimeout(ctx, writeTimeout)
		before := s.taken
		o, err := step(attempt, s)
		cancel()
		e := entry{Object: w.member.Name + "/" + s.resource.Resource + "/" + s.name}
		switch {
		case err != nil:
			e.Did, e.Error = "failed to write", err.Error()
		case !s.taken:
			e.Did = "deleted"
		case before:
			e.Did = "updated"
		default:
			e.Did = "created"
		}
		if o != nil {
			e.UID, e.Version, e.Colour = string(o.GetUID()), o.GetResourceVersion(), o.GetLabels()[colourLabel]
		}
		if err == nil {
			w.records.add(replay.Object{Cluster: w.member.Name, Resource: s.resource.Resource, Namespace: s.namespace, Name: s.name}, e.Version, e.Colour, again)
			e.Writes = w.clock.tick()
			w.journal.write(e)
			return nil
		}
		e.Writes = w.clock.now()
		w.journal.write(e)
		if err := retry.Sleep(ctx, writeAgain); err != nil {
			return err
		}
	}
}

func (w *writer) of(s *slot) dynamic.ResourceInterface {
	return w.member.client.Resource(s.resource).Namespace(s.namespace)
}

func (w *writer) create(ctx context.Context, s *slot) (*unstructured.Unstructured, error) {
	o := object(s.kind, s.name, w.stamp())
	o.SetLabels(map[string]string{colourLabel: w.colour()})
	o, err := w.of(s).Create(ctx, o, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		o, err = nil, nil // by an attempt whose answer was lost
	}
	s.taken = s.taken || err == nil
	return o, err
}

func (w *writer) update(ctx context.Context, s *slot) (*unstructured.Unstructured, error) {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"write":%q},"labels":{%q:%q}}}`, w.stamp()["write"], colourLabel, w.colour())
	return w.of(s).Patch(ctx, s.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
}

func (w *writer) remove(ctx context.Context, s *slot) (*unstructured.Unstructured, error) {
	err := w.of(s).Delete(ctx, s.name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		err = nil // by an attempt whose answer was lost
	}
	s.taken = s.taken && err != nil
	return nil, err
}

// stamp makes every write a change.
func (w *writer) stamp() map[string]string {
	return map[string]string{"write": fmt.Sprint(w.clock.now(), " ", time.Now().UnixNano())}
}

// colour makes half of all writes move the object into what is selected by colour,
// or out of it.
func (w *writer) colour() string {
	return []string{red, blue}[w.colours.IntN(2)]
}

// object returns an object of the core group.
func object(kind, name string, annotations map[string]string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("v1")
	o.SetKind(kind)
	o.SetName(name)
	o.SetAnnotations(annotations)
	return o
}
