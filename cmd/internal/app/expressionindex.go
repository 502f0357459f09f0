package app

import (
	"maps"
	"math/bits"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// mostAbout is for how many resources an index remembers which expressions are about them. A
// cluster with many operators has some hundreds.
const mostAbout = 1024

// expressionIndex finds the readers whose expressions are not about a resource: objects of it are
// not copied for these, so that there is room for those that they may show. It is found out once for
// each resource, by the stage that has the first answer about it. Any goroutine may use it.
type expressionIndex struct {
	some  uint64 // the bits of the readers that have an expression
	known atomic.Pointer[map[schema.GroupVersionResource]uint64]
}

// others returns the bits of the readers whose expressions say nothing about a resource. Beyond
// mostAbout resources it returns none.
func (x *expressionIndex) others(of schema.GroupVersionResource, namespaced bool, wanters *[mostWanters]*wanter) (others uint64) {
	if x.some == 0 {
		return 0
	}
	known := x.known.Load()
	if known != nil {
		if others, ok := (*known)[of]; ok {
			return others
		}
		if len(*known) >= mostAbout {
			return 0
		}
	}
	about := selection.Resource{GroupVersionResource: of, Namespaced: namespaced}
	for who := x.some; who != 0; who &= who - 1 {
		if i := bits.TrailingZeros64(who); wanters[i].filter.where.For(about, selection.Cluster{}) == nil {
			others |= 1 << i
		}
	}
	more := map[schema.GroupVersionResource]uint64{of: others}
	if known != nil {
		maps.Copy(more, *known)
	}
	x.known.CompareAndSwap(known, &more) // else another stage was faster, and this is found out once more
	return others
}
