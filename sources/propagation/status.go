package propagation

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterStatus is the entry of one member in the status of a source: put a list of
// them into the status of a custom resource. Its names are a map's keys:
//
//	// +listType=map
//	// +listMapKey=cluster
//	Clusters []propagation.ClusterStatus `json:"clusters,omitempty"`
type ClusterStatus struct {
	// Cluster is the name of the member in the fleet.
	Cluster string `json:"cluster"`
	// ClusterUID tells a member from another one that gets its name: the UID of its
	// namespace kube-system.
	ClusterUID string `json:"clusterUID,omitempty"`
	// State is one of the controller's own words, such as Applied.
	State string `json:"state"`
	// Message is for people.
	Message string `json:"message,omitempty"`
	// ObservedGeneration and SourceVersion are generation and resourceVersion of the
	// source that State is about.
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
	SourceVersion      string `json:"sourceVersion,omitempty"`
	// Sequence and Term are those of a Version.
	Sequence uint64 `json:"sequence,omitempty"`
	Term     uint64 `json:"term,omitempty"`
	// UnreachableSince is since when the member does not answer; nil: it does.
	UnreachableSince *metav1.Time `json:"unreachableSince,omitempty"`
}

// About sets what s says about the source.
func (s *ClusterStatus) About(v Version) {
	s.ObservedGeneration, s.SourceVersion, s.Sequence, s.Term = v.Generation, v.ResourceVersion, v.Sequence, v.Term
}

// IsAbout tells whether s is about that state of the source. The term does not count:
// what an earlier process has seen stays true.
func (s *ClusterStatus) IsAbout(v Version) bool {
	return s.SourceVersion == v.ResourceVersion && s.Sequence == v.Sequence
}

// DeepCopyInto copies s, as generated code does.
func (s *ClusterStatus) DeepCopyInto(out *ClusterStatus) {
	*out = *s
	out.UnreachableSince = s.UnreachableSince.DeepCopy()
}

// DeepCopy returns a copy of s, as generated code does.
func (s *ClusterStatus) DeepCopy() *ClusterStatus {
	if s == nil {
		return nil
	}
	out := new(ClusterStatus)
	s.DeepCopyInto(out)
	return out
}

// Of returns the entry of a member, to be changed in place; nil: there is none.
func Of(list []ClusterStatus, cluster string) *ClusterStatus {
	if i, ok := find(list, cluster); ok {
		return &list[i]
	}
	return nil
}

// Set puts an entry in the place of the one that the member has, and returns the
// list, which is in the order of the names.
func Set(list []ClusterStatus, s ClusterStatus) []ClusterStatus {
	i, ok := find(list, s.Cluster)
	if ok {
		list[i] = s
		return list
	}
	return slices.Insert(list, i, s)
}

// Remove takes a member's entry out of the list, and returns that.
func Remove(list []ClusterStatus, cluster string) []ClusterStatus {
	if i, ok := find(list, cluster); ok {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func find(list []ClusterStatus, cluster string) (int, bool) {
	return slices.BinarySearchFunc(list, cluster, func(s ClusterStatus, name string) int { return strings.Compare(s.Cluster, name) })
}
