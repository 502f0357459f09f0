package ctl

import (
	"fmt"
	"strings"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// replayed is what a replay has come to.
type replayed struct {
	Clusters []replayedCluster `json:"clusters"`
	DryRun   bool              `json:"dryRun,omitempty"` // nothing has begun
	Streams  int               `json:"streams"`          // of all clusters
	Objects  *int              `json:"objects,omitempty"`
	Failed   int               `json:"failed"` // clusters that were not replayed, or not all of them

	several bool // all clusters were asked for, or some by their labels
}

// replayedCluster is what the replay of one cluster has come to.
type replayedCluster struct {
	api.Replay
	Error string `json:"error,omitempty"` // why nothing of it is replayed
}

// add notes what one cluster has come to.
func (r *replayed) add(cluster string, one api.Replay, err error) *replayedCluster {
	c := replayedCluster{Replay: one}
	if c.Cluster == "" {
		c.Cluster = cluster
	}
	if err != nil {
		c.Error = err.Error()
	}
	if err != nil || len(one.Failed) > 0 {
		r.Failed++
	}
	r.Streams += one.Streams
	if one.Objects != nil {
		if r.Objects == nil {
			r.Objects = new(int)
		}
		*r.Objects += *one.Objects
	}
	r.Clusters = append(r.Clusters, c)
	return &r.Clusters[len(r.Clusters)-1]
}

// text is what there is to say of a cluster: lines.
func (c *replayedCluster) text(dry bool) string {
	var said strings.Builder
	switch {
	case c.Error != "":
		fmt.Fprintf(&said, "Cluster %s cannot be replayed: %s\n", Printable(c.Cluster), Visible(c.Error))
	case dry:
		fmt.Fprintf(&said, "A replay would deliver %s of cluster %s again\n", objects(c.Objects), Printable(c.Cluster))
	case c.Objects != nil:
		fmt.Fprintf(&said, "Replaying %s of cluster %s\n", objects(c.Objects), Printable(c.Cluster))
	default:
		fmt.Fprintf(&said, "Replaying cluster %s: %d streams begin a snapshot\n", Printable(c.Cluster), c.Streams)
	}
	for _, w := range c.Waiting {
		fmt.Fprintf(&said, "%s cannot, and begins one when it can: %s\n", Printable(w.Stream), Printable(w.Reason))
	}
	for _, f := range c.Replay.Failed {
		fmt.Fprintf(&said, "Nothing of %s is delivered again: %s\n", Printable(f.Stream), Printable(f.Reason))
	}
	return said.String()
}

// sum is the last line of several clusters. Those that failed do not count.
func (r *replayed) sum() string {
	n := 0
	for i := range r.Clusters {
		if r.Clusters[i].Error == "" {
			n++
		}
	}
	of := fmt.Sprintf("%d clusters", n)
	if n == 1 {
		of = "1 cluster"
	}
	switch {
	case r.DryRun:
		return fmt.Sprintf("A replay would deliver %s of %s again", objects(r.Objects), of)
	case r.Objects != nil:
		return fmt.Sprintf("Replaying %s of %s", objects(r.Objects), of)
	}
	return fmt.Sprintf("Replaying %s: %d streams begin a snapshot", of, r.Streams)
}

// end returns how the command ends.
func (r *replayed) end() error {
	switch {
	case r.Failed == 0:
		return nil
	case r.several:
		return fmt.Errorf("%d of %d clusters were not replayed, or not all of them", r.Failed, len(r.Clusters))
	}
	if n := len(r.Clusters[0].Replay.Failed); n != 1 {
		return fmt.Errorf("%d streams of cluster %s were left out", n, Printable(r.Clusters[0].Cluster))
	}
	return fmt.Errorf("1 stream of cluster %s was left out", Printable(r.Clusters[0].Cluster))
}

// objects says how many objects a replay is of.
func objects(n *int) string {
	switch {
	case n == nil:
		return "no objects"
	case *n == 1:
		return "1 object"
	}
	return fmt.Sprintf("%d objects", *n)
}
