package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	unstructuredv1 "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// reader is a member's cache that keeps nobody waiting for a member that is
// not there. Without it, a read of what is not synced blocks its worker until
// it is.
type reader struct {
	ctrlcache.Cache
	member *cached
	mapper meta.RESTMapper
}

// Get reads from the cache.
func (r *reader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if err := r.ready(ctx, obj, false); err != nil {
		return err
	}
	return r.Cache.Get(ctx, key, obj, opts...)
}

// List reads from the cache.
func (r *reader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := r.ready(ctx, list, true); err != nil {
		return err
	}
	return r.Cache.List(ctx, list, opts...)
}

// ready returns when obj's kind can be read without waiting, or why it cannot.
func (r *reader) ready(ctx context.Context, obj runtime.Object, list bool) error {
	m := r.member
	gvk, err := apiutil.GVKForObject(obj, m.scheme)
	if err != nil {
		return err
	}
	if list {
		gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	}
	key := kindKey{gvk, flavorOf(obj)}
	informers, _ := m.of(key)
	if allSynced(informers) || len(informers) == 0 && m.strict {
		return nil
	}
	ctx, f, err := m.gate.admit(ctx)
	if err != nil {
		return err
	}
	defer f.end() // cut, like a call, when the member is given up
	if len(informers) == 0 {
		if err := r.start(ctx, key); err != nil {
			return err
		}
	}
	return r.await(ctx, key)
}

func allSynced(informers []*informer) bool {
	for _, i := range informers {
		i.mu.Lock()
		synced := i.synced
		i.mu.Unlock()
		if !synced {
			return false
		}
	}
	return len(informers) > 0
}

// start makes an informer. The kind is looked up before, because the cache
// would hold a lock meanwhile that all reads of this member need.
func (r *reader) start(ctx context.Context, key kindKey) error {
	if _, err := r.mapper.RESTMapping(key.GroupKind(), key.Version); err != nil {
		return err
	}
	obj, err := r.object(key)
	if err != nil {
		return err
	}
	_, err = r.GetInformer(ctx, obj, ctrlcache.BlockUntilSynced(false))
	return err
}

// object returns an example of a kind.
func (r *reader) object(key kindKey) (client.Object, error) {
	switch key.flavor {
	case unstructured:
		u := &unstructuredv1.Unstructured{}
		u.SetGroupVersionKind(key.GroupVersionKind)
		return u, nil
	case metadata:
		o := &metav1.PartialObjectMetadata{}
		o.SetGroupVersionKind(key.GroupVersionKind)
		return o, nil
	}
	made, err := r.member.scheme.New(key.GroupVersionKind)
	if err != nil {
		return nil, err
	}
	obj, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%s is not an object that can be cached", key)
	}
	return obj, nil
}

// await waits for the first sync of a kind, not longer than that may take.
func (r *reader) await(ctx context.Context, key kindKey) error {
	m := r.member
	timer := time.NewTimer(m.config.CacheSyncTimeout)
	defer timer.Stop()
	for late, seen := false, false; ; {
		informers, changed := m.of(key)
		switch {
		case allSynced(informers):
			return nil
		case len(informers) == 0 && !seen:
			return nil // a cache that makes its own
		case len(informers) == 0 && late:
			return fmt.Errorf("cluster %q: cache of %s: it has ended: %w", m.name, key, ErrClusterUnavailable)
		}
		seen = true // should they end, their member leaves: then ctx tells
		for _, i := range informers {
			s := i.snapshot(time.Now(), m.config.CacheSyncTimeout)
			switch {
			case s.problem != "" && !s.synced:
				return fmt.Errorf("cluster %q: cache of %s: %s: %w", m.name, key, s.problem, ErrClusterUnavailable)
			case s.late || late && !s.synced:
				return fmt.Errorf("cluster %q: cache of %s: not synced within %v: %w", m.name, key, m.config.CacheSyncTimeout, ErrClusterUnavailable)
			case !s.synced && !s.trying.IsZero():
				timer.Reset(time.Until(s.trying.Add(m.config.CacheSyncTimeout)))
			}
		}
		select {
		case <-changed:
		case <-timer.C:
			late = true
		case <-ctx.Done():
			if link := m.gate.link(); link.Session == nil && errors.Is(context.Cause(ctx), errCut) {
				return unavailable(m.name, link)
			}
			return context.Cause(ctx)
		}
	}
}
