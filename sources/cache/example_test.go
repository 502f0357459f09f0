package cache_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// The ways to turn an object of a member into requests.
func ExampleKind() {
	fleet, err := cache.New(cache.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cache.Kind(fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject))
	fmt.Println(cache.Kind(fleet, &corev1.Pod{},
		cache.EnqueueRequestForOwner[*corev1.Pod](&corev1.ReplicationController{}, handler.OnlyControllerOwner())))
	fmt.Println(cache.Kind(fleet, &corev1.Secret{}, cache.EnqueueRequestsFromMapFunc(
		func(_ context.Context, cluster string, secret *corev1.Secret) []queue.Request {
			// What the hub has to do when a Secret of any member changes.
			return []queue.Request{{Cluster: "hub", NamespacedName: client.ObjectKey{Name: cluster + "-" + secret.Name}}}
		})))
	// Output:
	// fleet kind source: *v1.ConfigMap
	// fleet kind source: *v1.Pod
	// fleet kind source: *v1.Secret
}

// A member that nobody has told the fleet of.
func ExampleFleet_State() {
	fleet, err := cache.New(cache.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fleet.State("somewhere").State)
	_, err = fleet.Client("somewhere")
	fmt.Println(err)
	// Output:
	// gone
	// cluster "somewhere": not in the fleet: cluster unavailable
}
