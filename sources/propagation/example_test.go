package propagation_test

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/sources/propagation"
)

// copyTo makes the copy of a source in a member what it should be, and returns the
// member's entry in the source's status. The term is 0 without leader election.
func copyTo(ctx context.Context, member propagation.Member, s propagation.ClusterStatus, source *corev1.ConfigMap, term uint64) (propagation.ClusterStatus, error) {
	version := propagation.VersionOf(source, term)
	want := corev1ac.ConfigMap(source.Name, source.Namespace).WithData(source.Data)
	err := propagation.ApplyIfNewer(ctx, member, want, &corev1.ConfigMap{}, propagation.Options{Owner: "example.org/copies", Version: version})
	switch {
	case errors.Is(err, propagation.ErrOlder), errors.Is(err, propagation.ErrForeign):
		s.State, s.Message = "Conflict", err.Error() // told, and not fought
	case apierrors.IsConflict(err):
		return s, err // the copy has changed meanwhile: try again
	case err != nil:
		s.State, s.Message = "Failed", err.Error()
	default:
		s.State, s.Message = "Applied", ""
	}
	s.About(version)
	return s, nil
}

// directly is a member without a cache. A cluster.Cluster is a Member as it is.
type directly struct{ client.Client }

func (d directly) GetClient() client.Client    { return d.Client }
func (d directly) GetAPIReader() client.Reader { return d.Client }

// A copy in a member, which a late write of an earlier process cannot replace.
func ExampleApplyIfNewer() {
	var paris client.Client // of the member
	source := &corev1.ConfigMap{}
	s, err := copyTo(context.Background(), directly{paris}, propagation.ClusterStatus{Cluster: "paris"}, source, 7)
	fmt.Println(s.State, err)
}
