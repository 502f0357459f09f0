package clusters_test

import (
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/locks/clusters"
)

// Three clusters decide who leads. The lock goes into a manager as
// LeaderElectionResourceLockInterface.
func ExampleNew() {
	var voters []clusters.Voter
	for _, name := range []string{"oslo", "paris", "rome"} {
		voters = append(voters, clusters.Voter{Name: name, Config: &rest.Config{Host: "https://" + name + ".example:6443"}})
	}
	lock, err := clusters.New(voters, clusters.Options{Namespace: "default", Name: "controller", Identity: "controller-0_7d1e"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(lock.Describe())
	// Output: default/controller of oslo,paris,rome
}
