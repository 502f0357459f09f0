package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	// namespace is where the writers write.
	namespace = "fairlead-demo"

	// writersPerMember is enough for some hundred writes a second: each waits for
	// its answer before the next. It has no factor in common with deleteEvery, or
	// the same ones would delete whenever they take turns.
	writersPerMember = 7

	// deleteEvery is which of a member's writes is a deletion, so that any ten
	// seconds have some in them whatever the seed.
	deleteEvery = 4
)

// payload makes an object about as large as ConfigMaps are.
var payload = strings.Repeat("fairlead ", 60)

// writes counts what a member's API server has accepted.
type writes struct{ created, updated, deleted int }

func (w writes) total() int { return w.created + w.updated + w.deleted }

func (w writes) minus(v writes) writes {
	return writes{w.created - v.created, w.updated - v.updated, w.deleted - v.deleted}
}

// writer changes the objects of one member: it creates, updates, deletes and
// creates again. Every object belongs to one of its goroutines, so that no two
// writes of one object are under way at once and the demo knows their order.
type writer struct {
	client typedcorev1.ConfigMapInterface
	stamps *stamps
	limit  *rate.Limiter
	hands  []*hand

	mu    sync.Mutex
	turns int // begun
	done  writes
}

// hand is one goroutine's part of the objects.
type hand struct {
	random *rand.Rand
	slots  []slot
}

// slot is a name that an object may have.
type slot struct {
	name string
	uid  string // of the object that has it, empty if none has
}

func newWriter(client kubernetes.Interface, stamps *stamps, objects int, perSecond float64, seed, stream uint64) *writer {
	w := &writer{
		client: client.CoreV1().ConfigMaps(namespace),
		stamps: stamps,
		limit:  rate.NewLimiter(rate.Limit(perSecond), 1),
	}
	for i := range min(writersPerMember, objects) {
		w.hands = append(w.hands, &hand{random: rand.New(rand.NewPCG(seed, stream<<8|uint64(i)))})
	}
	for i := range objects {
		h := w.hands[i%len(w.hands)]
		h.slots = append(h.slots, slot{name: fmt.Sprintf("object-%03d", i)})
	}
	return w
}

// fill creates the namespace and every object, as fast as the server takes them.
func (w *writer) fill(ctx context.Context, client kubernetes.Interface) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create namespace %s: %w", namespace, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range w.hands {
		g.Go(func() error {
			for i := range h.slots {
				// No stamp: nobody waits for these.
				if err := w.create(ctx, &h.slots[i], ""); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// run writes at the limited rate until stop ends; a write that is under way then
// is finished. ctx ends those too.
func (w *writer) run(ctx, stop context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range w.hands {
		g.Go(func() error {
			for w.limit.Wait(stop) == nil {
				if err := w.turn(ctx, h); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// turn makes one write.
func (w *writer) turn(ctx context.Context, h *hand) error {
	s := &h.slots[h.random.IntN(len(h.slots))]
	deletes := w.deletesNow()
	if deletes {
		// Any object of ours, if the first choice is none.
		for i := 0; s.uid == "" && i < len(h.slots); i++ {
			s = &h.slots[i]
		}
	}
	switch {
	case s.uid == "":
		return w.create(ctx, s, w.stamps.now())
	case deletes:
		return w.delete(ctx, s)
	default:
		return w.update(ctx, s)
	}
}

// deletesNow begins a turn and says whether it is one that deletes.
func (w *writer) deletesNow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns++
	return w.turns%deleteEvery == 0
}

func (w *writer) create(ctx context.Context, s *slot, stamp string) error {
	o, err := w.client.Create(ctx, configMap(s.name, stamp), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create ConfigMap %s: %w", s.name, err)
	}
	s.uid = string(o.UID)
	w.count(writes{created: 1})
	return nil
}

func (w *writer) update(ctx context.Context, s *slot) error {
	if _, err := w.client.Update(ctx, configMap(s.name, w.stamps.now()), metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update ConfigMap %s: %w", s.name, err)
	}
	w.count(writes{updated: 1})
	return nil
}

func (w *writer) delete(ctx context.Context, s *slot) error {
	w.stamps.deleting(s.uid)
	if err := w.client.Delete(ctx, s.name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete ConfigMap %s: %w", s.name, err)
	}
	s.uid = ""
	w.count(writes{deleted: 1})
	return nil
}

func (w *writer) count(one writes) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = writes{w.done.created + one.created, w.done.updated + one.updated, w.done.deleted + one.deleted}
}

// soFar returns what has been written until now.
func (w *writer) soFar() writes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

func configMap(name, stamp string) *corev1.ConfigMap {
	o := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Data:       map[string]string{"payload": payload},
	}
	if stamp != "" {
		o.Data[stampKey] = stamp
	}
	return o
}
