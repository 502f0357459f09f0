package replay

import (
	"fmt"
	"slices"
)

// Difference is where a consumer and the API servers disagree, in words, sorted.
type Difference struct {
	Missing, Ghosts []string
}

// Equal reports whether they agree.
func (d Difference) Equal() bool { return len(d.Missing) == 0 && len(d.Ghosts) == 0 }

// Compare compares the objects that a consumer has, with their versions, with
// those that the API servers hold; of clusters only, if any are named.
func Compare(live, held map[Object]string, clusters ...string) Difference {
	var d Difference
	for object, version := range held {
		switch told, ok := live[object]; {
		case !ok:
			d.Missing = append(d.Missing, fmt.Sprintf("%s: the server has it, the sink does not", object))
		case told != version:
			d.Missing = append(d.Missing, fmt.Sprintf("%s: the server has version %s, the sink %s", object, version, told))
		}
	}
	for object := range live {
		if len(clusters) > 0 && !slices.Contains(clusters, object.Cluster) {
			continue
		}
		if _, ok := held[object]; !ok {
			d.Ghosts = append(d.Ghosts, fmt.Sprintf("%s: the sink has it, the server does not", object))
		}
	}
	slices.Sort(d.Missing)
	slices.Sort(d.Ghosts)
	return d
}
