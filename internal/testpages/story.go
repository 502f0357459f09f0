package testpages

import (
	"fmt"
	"time"
)

// Pod is a state of a Pod with one container in namespace ns, or its deletion.
type Pod struct {
	Cluster, Name, Image string
	Term, Sequence       uint64 // which of two states is the later one
	Deleted              bool
	Old                  bool // it was observed a day ago, and not now
}

// Object returns the Pod as JSON.
func (p Pod) Object() []byte {
	return fmt.Appendf(nil, `{"kind":"Pod","spec":{"containers":[{"image":%q}]}}`, p.Image)
}

// Observed returns when the state was observed.
func (p Pod) Observed() time.Time {
	if p.Old {
		return time.Now().Add(-24 * time.Hour)
	}
	return time.Now()
}

// Story is what happens to Pods of two clusters, in three writes: the leader of term 3 writes
// First, that of term 4 writes Then, and the one of before writes Late, which it had read before.
type Story struct {
	First, Then, Late []Pod
	Images            map[string]int // in how many Pods an image runs, by cluster, a space and the image
	Gone              string         // which one was deleted within the last hour, and is not there again
}

// Fleet returns the story that programs of pages are tried on, which read what a sink has written.
// What comes late changes nothing, and what is there again is not gone.
func Fleet() Story {
	runs := func(cluster, name, image string, term, sequence uint64) Pod {
		return Pod{Cluster: cluster, Name: name, Image: image, Term: term, Sequence: sequence}
	}
	ends := func(name string, term, sequence uint64) Pod {
		return Pod{Cluster: "edge", Name: name, Image: "app:1", Term: term, Sequence: sequence, Deleted: true}
	}
	ancient := ends("ancient", 3, 4)
	ancient.Old = true
	return Story{
		First:  []Pod{runs("edge", "web-1", "app:1", 3, 1), runs("edge", "web-2", "app:1", 3, 2), runs("far", "web-1", "app:1", 3, 1), runs("edge", "gone", "app:1", 3, 3), ancient},
		Then:   []Pod{runs("edge", "web-1", "app:2", 4, 5), ends("gone", 4, 6), ends("back", 4, 7), runs("edge", "back", "app:2", 4, 8)},
		Late:   []Pod{runs("edge", "gone", "app:1", 3, 90), runs("edge", "web-1", "app:1", 3, 91)},
		Images: map[string]int{"edge app:1": 1, "edge app:2": 2, "far app:1": 1},
		Gone:   "edge/pods/ns/gone",
	}
}
