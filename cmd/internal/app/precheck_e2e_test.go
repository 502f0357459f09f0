package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	typedrbacv1 "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// roles give users of a cluster rights.
type roles struct {
	t *testing.T
	*typedrbacv1.RbacV1Client
}

func newRoles(t *testing.T, c *testenv.Cluster) *roles {
	h := must(rest.HTTPClientFor(c.Config()))(t)
	t.Cleanup(h.CloseIdleConnections)
	return &roles{t, must(typedrbacv1.NewForConfigAndClient(c.Config(), h))(t)}
}

// follow lets a user list and watch resources of a group, in a namespace or (empty) in all.
func (r *roles) follow(user, namespace, group string, resources ...string) {
	r.t.Helper()
	meta := metav1.ObjectMeta{Name: user, Namespace: namespace}
	rules := []rbacv1.PolicyRule{
		{Verbs: []string{"list", "watch"}, APIGroups: []string{group}, Resources: resources},
		{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}},
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
	var err error
	if namespace == "" {
		_, err = r.ClusterRoles().Create(r.t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
		_, wrong := r.ClusterRoleBindings().Create(r.t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user}}, metav1.CreateOptions{})
		err = errors.Join(err, wrong)
	} else {
		_, err = r.Roles(namespace).Create(r.t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules[:1]}, metav1.CreateOptions{})
		_, wrong := r.RoleBindings(namespace).Create(r.t.Context(), &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user}}, metav1.CreateOptions{})
		err = errors.Join(err, wrong)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestPrecheckOfRights: before the program runs, each cluster has said of all that wildcards stand
// for whether it may be followed, or how much of it was not asked; and whether it serves streaming
// lists.
func TestPrecheckOfRights(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"}, testenv.Spec{Name: "old", APIServerFlags: []string{"--feature-gates=WatchList=false"}})
	alpha := env.Cluster("alpha")
	r := newRoles(t, alpha)
	r.follow("everything", "", "*", "*")
	r.follow("apps", "", "apps", "*")
	r.follow("few", "", "", "configmaps", "secrets")
	r.follow("here", "default", "*", "*")
	as := func(user string) testenv.Target { return target{"alpha", must(alpha.User(user))(t)} }
	for _, test := range []struct {
		name  string
		of    testenv.Target
		flags []string
		is    func(denied map[string]bool, c *api.Check) bool
	}{
		{"an administrator", alpha, []string{"--watch=*"}, func(d map[string]bool, c *api.Check) bool {
			return len(d) == 0 && c.Members[0].Unasked == 0 && len(c.Findings) == 0
		}},
		{"all rights", as("everything"), []string{"--watch=*"}, func(d map[string]bool, c *api.Check) bool {
			return len(d) == 0 && c.Members[0].Unasked == 0 && len(c.Findings) == 0 && *c.Members[0].StreamingLists
		}},
		{"those of a group", as("apps"), []string{"--watch=*.apps"}, func(d map[string]bool, c *api.Check) bool {
			return len(d) == 0 && len(c.Findings) == 0
		}},
		{"those of another group", as("apps"), []string{"--watch=*.batch,configmaps"}, func(d map[string]bool, _ *api.Check) bool {
			return len(d) == 3 && d["configmaps"] && d["jobs.batch"] && d["cronjobs.batch"]
		}},
		{"what is left out", as("apps"), []string{"--watch=*.batch", "--watch-exclude=jobs.batch"}, func(d map[string]bool, _ *api.Check) bool {
			return len(d) == 1 && d["cronjobs.batch"]
		}},
		{"few rights", as("few"), []string{"--watch=*"}, func(d map[string]bool, c *api.Check) bool {
			return len(d) == 50 && !d["configmaps"] && !d["secrets"] && d["pods"] && c.Members[0].Unasked > 0 && found(c, "FL1114", "alpha", fmt.Sprintf("%d resources", c.Members[0].Unasked))
		}},
		{"rights in one namespace", as("here"), []string{"--watch=*?namespace=default"}, func(d map[string]bool, c *api.Check) bool {
			return len(d) == 0 && c.Members[0].Unasked == 0
		}},
		{"rights in one namespace only", as("here"), []string{"--watch=*"}, func(d map[string]bool, c *api.Check) bool {
			return len(d) == 50 && d["configmaps"] && c.Members[0].Unasked > 0
		}},
		{"a cluster without streaming lists", env.Cluster("old"), []string{"--watch=*"}, func(d map[string]bool, c *api.Check) bool {
			return len(d) == 0 && found(c, "FL1115", "old", "no streaming lists") && len(c.Findings) == 1
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"check", "--pre", "-o=json", "--sink=stdout:", "--ledger=memory:", "--clusters=kubeconfig:" + writeKubeconfig(t, test.of)}, test.flags...)
			var out string
			// What a role allows takes effect a moment after it was made.
			err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(context.Context) (bool, error) {
				var err error
				if out, err = command(t, args...); err != nil && !errors.Is(err, errFound) {
					return false, err
				}
				var c api.Check
				if err := json.Unmarshal([]byte(out), &c); err != nil {
					return false, err
				}
				denied := map[string]bool{}
				for _, f := range c.Findings {
					if f.Code == "FL1101" {
						denied[f.Resource] = true
					}
				}
				// A busy machine answers slowly, which is told.
				return len(c.Members) == 1 && c.Members[0].Error == "" && test.is(denied, withoutSlow(&c)), nil
			})
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if strings.Contains(out, "canary") {
				t.Errorf("credentials are shown: %s", out)
			}
		})
	}
}

// withoutSlow returns a check without what may be found because the machine is slow.
func withoutSlow(c *api.Check) *api.Check {
	var kept []api.Finding
	for _, f := range c.Findings {
		if len(unexpected(f.Code)) > 0 {
			kept = append(kept, f)
		}
	}
	c.Findings = kept
	return c
}
