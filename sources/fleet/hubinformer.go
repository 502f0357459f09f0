package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// hubAnswersWithin bounds how long a request to the hub waits for its answer, which is as
// long as an API server works at a list. Then it is made again, on another connection.
const hubAnswersWithin = time.Minute

// hubInformer keeps a copy of some objects of the hub. While the hub does not answer it
// keeps the last one.
type hubInformer struct {
	what string // "Secrets in namespace fleet", for messages
	// absent is what a 404 of the hub means, or nil.
	absent error

	mu       sync.Mutex
	informer cache.SharedIndexInformer // nil before run
	err      error                     // of the last request; nil if it was answered
	silent   bool                      // the hub has stopped answering

	within, every time.Duration // zero: hubAnswersWithin and hubVersionWithin; hubAskedEvery
}

// run fills it until ctx ends, and joins what it started. changed is called
// after each change, also of whether the hub answers; it must not block.
func (f *hubInformer) run(ctx context.Context, hub *rest.Config, lw *cache.ListWatch, client any, example runtime.Object, transform cache.TransformFunc, changed func()) error {
	ask, err := hubVersion(hub)
	if err != nil {
		return err
	}
	// No resync: what is known does not change by being told again.
	informer := cache.NewSharedIndexInformer(cache.ToListWatcherWithWatchListSemantics(f.observe(lw, changed), client), example, 0, cache.Indexers{})
	if err := errors.Join(
		informer.SetTransform(transform),
		// What it would log is a problem of the fleet already.
		informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {}),
	); err != nil {
		return fmt.Errorf("watch the %s of the hub: %w", f.what, err)
	}
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		UpdateFunc: func(any, any) { changed() },
		DeleteFunc: func(any) { changed() },
	})
	if err != nil {
		return fmt.Errorf("watch the %s of the hub: %w", f.what, err)
	}
	f.mu.Lock()
	f.informer = informer
	f.mu.Unlock()

	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-registration.HasSyncedChecker().Done():
			changed() // there may be nothing to be told of
			f.listen(ctx, ask, changed)
		}
	})
	informer.RunWithContext(ctx)
	return nil
}

// observe notes how each request ends, and ends those that are not answered. An informer
// tells of failed lists only, and of no success.
func (f *hubInformer) observe(lw *cache.ListWatch, changed func()) *cache.ListWatch {
	note := func(ctx context.Context, err error) {
		if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.IsInvalid(err) {
			return // a list follows
		}
		f.mu.Lock()
		f.err = f.reason(err)
		f.mu.Unlock()
		changed()
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			bounded, cancel := context.WithTimeout(ctx, cmp.Or(f.within, hubAnswersWithin))
			defer cancel()
			list, err := lw.ListWithContextFunc(bounded, options)
			note(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			bounded, cancel := context.WithCancelCause(ctx)
			timer := time.AfterFunc(cmp.Or(f.within, hubAnswersWithin), func() { cancel(context.DeadlineExceeded) })
			w, err := lw.WatchFuncWithContext(bounded, options)
			if !timer.Stop() && err != nil {
				err = context.DeadlineExceeded
			}
			note(ctx, err)
			if err != nil {
				cancel(nil)
				return nil, err
			}
			return &boundedWatch{w, func() { cancel(nil) }}, nil
		},
	}
}

// boundedWatch is a watch with a context of its own, which ends with it.
type boundedWatch struct {
	watch.Interface

	end func()
}

// Stop implements watch.Interface.
func (w *boundedWatch) Stop() {
	w.Interface.Stop()
	w.end()
}

// look returns the objects, oldest first, so that of two with the same claim the
// elder comes first also after a restart; and what keeps them from being up to
// date. Nothing is known before the first list is complete. The objects are
// shared: they must not be changed.
func (f *hubInformer) look() ([]metav1.Object, error) {
	f.mu.Lock()
	informer, err := f.informer, f.err
	if f.silent {
		err = f.reason(context.DeadlineExceeded)
	}
	f.mu.Unlock()
	if informer == nil || !informer.HasSynced() {
		return nil, err
	}
	var objects []metav1.Object
	for _, o := range informer.GetStore().List() {
		if object, ok := o.(metav1.Object); ok {
			objects = append(objects, object)
		}
	}
	slices.SortFunc(objects, byAge)
	return objects, err
}

// complete reports whether the first list is complete.
func (f *hubInformer) complete() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.informer != nil && f.informer.HasSynced()
}

// byAge puts the older object first, and those of one second in the order of
// their names.
func byAge(a, b metav1.Object) int {
	return cmp.Or(a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
		cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

// reason says what is wrong with the hub in words that stay the same from one
// attempt to the next, so that a problem that lasts is one problem.
func (f *hubInformer) reason(err error) error {
	if err == nil {
		return nil
	}
	const unreachable = "the hub cannot be reached; the clusters known so far stay: "
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the hub does not allow to read %s; grant get, list and watch, as deploy/components does", f.what)
	case apierrors.IsUnauthorized(err):
		return errors.New("the hub does not accept this program's credentials")
	case apierrors.IsNotFound(err) && f.absent != nil:
		return f.absent
	case apierrors.ReasonForError(err) != metav1.StatusReasonUnknown:
		return fmt.Errorf("the hub cannot be read: it answers %s", apierrors.ReasonForError(err))
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errors.New(unreachable + errno.Error())
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errors.New(unreachable + "no answer in time")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New(unreachable + "it closes the connection")
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return errors.New(unreachable + redact.New().Text(err)) // which may quote what it was sent
}
