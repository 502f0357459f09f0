package sources_test

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// setUpWithBuilder adds a controller of the hub's ConfigMaps. An object of the hub is
// reconciled when it changes, when the object of its name changes in any member, and
// when a member has come back.
func setUpWithBuilder(mgr manager.Manager, caches *sources.Caches) error {
	r := &replicator{hub: mgr.GetClient(), caches: caches}
	return builder.ControllerManagedBy(mgr).
		For(&corev1.ConfigMap{}).
		WatchesRawSource(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestsFromMapFunc(r.sameName))).
		WatchesRawSource(cache.Members(caches.Fleet, r.allOf)).
		Complete(r)
}

// replicator writes the ConfigMaps of the hub that have the label replicate to every
// member.
type replicator struct {
	hub    client.Client
	caches *sources.Caches
}

// sameName asks for the hub's object when the object of a member has changed.
func (r *replicator) sameName(_ context.Context, _ string, cm *corev1.ConfigMap) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(cm)}}
}

// allOf asks for all objects of the hub when a member can be reached again.
func (r *replicator) allOf(ctx context.Context, s cache.Status) (requests []reconcile.Request) {
	if s.State != cache.Live {
		return nil
	}
	var list corev1.ConfigMapList
	if err := r.hub.List(ctx, &list); err != nil {
		return nil // the hub's own watch brings them
	}
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// Reconcile writes one ConfigMap to every member that differs.
func (r *replicator) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var want corev1.ConfigMap
	if err := r.hub.Get(ctx, req.NamespacedName, &want); err != nil || want.Labels["replicate"] == "" {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	var errs []error
	for _, name := range r.caches.Clusters() {
		if member, err := r.caches.Client(name); err == nil { // else it has just left
			errs = append(errs, write(ctx, member, &want))
		}
	}
	return reconcile.Result{}, errors.Join(errs...)
}

// write makes a member's ConfigMap what it should be. While the member is down it fails
// with cache.ErrClusterUnavailable.
func write(ctx context.Context, member client.Client, want *corev1.ConfigMap) error {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: want.Namespace, Name: want.Name}}
	_, err := controllerutil.CreateOrUpdate(ctx, member, cm, func() error {
		cm.Data = want.Data
		return nil
	})
	return err
}

// An ordinary controller of the builder's, for objects of the hub. Its requests do not
// tell clusters apart, so its queue is controller-runtime's own.
func ExampleCaches_builder() {
	var mgr manager.Manager // of the hub
	caches, err := setUp(mgr)
	if err == nil {
		err = setUpWithBuilder(mgr, caches)
	}
	fmt.Println(err)
}
