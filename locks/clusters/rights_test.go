package clusters_test

import (
	"context"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks/clusters"
)

// theLeastRights: those that the documentation names are enough, and without them the
// error says what is missing.
func (f *fleet) theLeastRights(t *testing.T) {
	var voters []clusters.Voter
	for _, c := range f.Clusters {
		user, err := c.User("voter")
		if err != nil {
			t.Fatal(err)
		}
		voters = append(voters, clusters.Voter{Name: c.Name(), Config: user})
	}
	r := resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaseDurationSeconds: 15, RenewTime: metav1.Now()}
	l := open(t, voters, "rights", "a")
	wants(t, l.Create(t.Context(), r), "403 Forbidden", "may not get, create or update the Lease")
	for i := range f.Clusters {
		f.grant(t, i, "voter", "rights")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for err := l.Create(ctx, r); err != nil; err = l.Create(ctx, r) { // the API server learns of roles by a watch
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	r.RenewTime = metav1.Now()
	if err := l.Update(ctx, r); err != nil {
		t.Error(err)
	}
	if _, _, err := l.Get(ctx); err != nil {
		t.Error(err)
	}
}

// grant gives a user the rights on one Lease that deploy/components/voter has.
func (f *fleet) grant(t *testing.T, i int, user, name string) {
	t.Helper()
	config := f.Clusters[i].Config()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	rbac, err := rbacclient.NewForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Name: "voter"}
	leases := []string{"coordination.k8s.io"}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: leases, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: leases, Resources: []string{"leases"}, Verbs: []string{"get", "update"}, ResourceNames: []string{name}},
	}}
	if _, err := rbac.Roles("default").Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "voter"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if _, err := rbac.RoleBindings("default").Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
