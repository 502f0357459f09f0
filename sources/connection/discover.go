package connection

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// maxGroupVersions bounds how many documents one discovery may read.
const maxGroupVersions = 1000

// maxReads bounds how many documents one discovery reads at the same time:
// client-go asks for all of them at once, and the head of each answer may have
// maxResponseHead.
const maxReads = 16

// discoverer is client-go's discovery within bounds. What the bodies that it has
// read take in memory at any time is at most maxDiscovery, however many ask. It
// sleeps through no Retry-After and tries nothing again: that is for those who
// ask, who can show that they wait. Those who ask the same before it is read share what is
// read, and must not change it.
type discoverer struct {
	documents
	turns    *semaphore.Weighted
	versions shared[*metav1.APIResourceList]
	whole    shared[everything]
}

// everything is what ServerGroupsAndResourcesWithContext returns. An error may come with
// it.
type everything struct {
	groups []*metav1.APIGroup
	lists  []*metav1.APIResourceList
}

func newDiscoverer(client rest.Interface) *discoverer {
	return &discoverer{
		documents: documents{discovery.NewDiscoveryClient(onlyOnce{client}), semaphore.NewWeighted(maxReads)},
		turns:     semaphore.NewWeighted(maxDiscovery / maxDocument),
	}
}

// onlyOnce is a client whose reads are not repeated.
type onlyOnce struct{ rest.Interface }

// Get begins a read.
func (c onlyOnce) Get() *rest.Request { return c.Interface.Get().MaxRetries(0) }

// documents are client-go's discovery, as long as there are not too many of them.
type documents struct {
	*discovery.DiscoveryClient
	reads *semaphore.Weighted
}

// ServerResourcesForGroupVersionWithContext reads one document.
func (d documents) ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error) {
	if err := d.reads.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer d.reads.Release(1)
	return d.DiscoveryClient.ServerResourcesForGroupVersionWithContext(ctx, groupVersion)
}

// GroupsAndMaybeResourcesWithContext is client-go's first step.
func (d documents) GroupsAndMaybeResourcesWithContext(ctx context.Context) (
	*metav1.APIGroupList, map[schema.GroupVersion]*metav1.APIResourceList, map[schema.GroupVersion]error, error,
) {
	groups, resources, failed, err := d.DiscoveryClient.GroupsAndMaybeResourcesWithContext(ctx)
	if err != nil || resources != nil {
		return groups, resources, failed, err
	}
	n := 0
	for _, group := range groups.Groups {
		n += len(group.Versions)
	}
	if n > maxGroupVersions {
		return nil, nil, nil, &member.TooMuchError{Call: "GET /apis", What: fmt.Sprintf("the list of %d API versions", n), Limit: maxDiscovery}
	}
	return groups, nil, failed, nil
}

// ServerResourcesForGroupVersionWithContext reads one document.
func (d *discoverer) ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error) {
	return d.versions.do(ctx, groupVersion, d.turn(1), func(ctx context.Context) (*metav1.APIResourceList, error) {
		list, err := d.documents.ServerResourcesForGroupVersionWithContext(bounded(ctx, maxDocument), groupVersion)
		if err != nil {
			return nil, plain(err)
		}
		return list, nil
	})
}

// turn waits until as much memory is free as so many documents take.
func (d *discoverer) turn(documents int64) func(context.Context) (end func(), err error) {
	return func(ctx context.Context) (func(), error) {
		return func() { d.turns.Release(documents) }, d.turns.Acquire(ctx, documents)
	}
}

// ServerGroupsAndResourcesWithContext reads all documents. Groups that cannot be
// read are told by a discovery.ErrGroupDiscoveryFailed, but if the server asks to
// be left alone, or sends too much, that is the error.
func (d *discoverer) ServerGroupsAndResourcesWithContext(ctx context.Context) ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	all, err := d.whole.do(ctx, "", d.turn(maxDiscovery/maxDocument), d.readEverything)
	return all.groups, all.lists, err
}

func (d *discoverer) readEverything(ctx context.Context) (everything, error) {
	groups, lists, err := discovery.ServerGroupsAndResourcesWithContext(bounded(ctx, maxDiscovery), d.documents)
	if failed, ok := discovery.GroupDiscoveryFailedErrorGroups(err); ok {
		for _, err := range failed {
			if apistatus.Of(err).Meaning == apistatus.Throttled || tooMuch(err) {
				return everything{}, plain(err)
			}
		}
	}
	return everything{groups, lists}, plain(err)
}

// bounded is ctx for the requests of one discovery. client-go does not log what
// it reads: whoever asks gets the error.
func bounded(ctx context.Context, limit int64) context.Context {
	return logr.NewContext(withBudget(ctx, limit), logr.Discard())
}
