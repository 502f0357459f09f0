package clusters

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/locks"
)

// Kind returns clusters:A,B,C, Leases of clusters of which a majority decides.
func Kind() locks.Kind {
	return locks.Kind{
		Form: locks.Form{
			Scheme: "clusters", Usage: "clusters:A,B,C",
			Summary: "a Lease in each of 3 to 15 clusters, of which a majority decides; A, B and C are contexts of a kubeconfig",
			Rest:    locks.Required,
			Params: []locks.Param{
				{Name: "namespace", Default: "fairlead", Meaning: "namespace of the Leases, which has to exist"},
				{Name: "name", Default: "fairlead", Meaning: "name of the Leases"},
				{Name: "kubeconfig", Type: locks.File, Meaning: "the file with the contexts, read again when a cluster is not reached or refuses the credentials; without it KUBECONFIG or ~/.kube/config"},
				{Name: "uids", Type: locks.List, Meaning: "UID of the namespace kube-system of A, B and C; without it any cluster is taken for the one that is meant"},
			},
		},
		Parse: parse,
	}
}

func parse(v *locks.Value) (locks.Spec, error) {
	names, uids := strings.Split(v.Rest, ","), v.List("uids")
	path, err := apiclient.ExpandHome(v.Str("kubeconfig"))
	voters := make([]Voter, len(names))
	for i, name := range names {
		voters[i] = Voter{Name: name, Reload: func(context.Context) (*rest.Config, error) { return apiclient.Context(path, name) }}
		if i < len(uids) {
			voters[i].UID = types.UID(uids[i])
		}
	}
	if n := len(uids); n > 0 && n != len(names) {
		err = errors.Join(err, fmt.Errorf("uids: %d UIDs for %d voters", n, len(names)))
	}
	o := Options{Namespace: v.Str("namespace"), Name: v.Str("name"), Identity: "nobody yet"}
	if err := errors.Join(err, checkVoters(voters), o.check()); err != nil {
		return locks.Spec{}, err
	}
	return locks.Spec{
		Identity: "clusters:" + v.Rest + "/" + o.Namespace + "/" + o.Name,
		Open: func(ctx context.Context, env locks.Env) (resourcelock.Interface, error) {
			var errs []error
			for _, v := range voters {
				if _, err := v.Reload(ctx); err != nil {
					errs = append(errs, err)
				}
			}
			if err := errors.Join(errs...); err != nil {
				return nil, err
			}
			o := o
			o.Identity, o.Timeout, o.UserAgent = env.Identity, env.Timeout, env.UserAgent
			return New(voters, o)
		},
	}, nil
}
