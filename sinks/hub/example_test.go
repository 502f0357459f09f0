package hub_test

import (
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/hub"
)

// A program finds the record of an object by its name, and those of a cluster by a label.
func ExampleRecordName() {
	checkout := pipeline.Key{Cluster: "paris", Resource: "deployments.apps", Namespace: "shop", Name: "checkout"}
	fmt.Println("kubectl get record", hub.RecordName(checkout))
	fmt.Println("kubectl get records -l cluster=" + hub.LabelValue(checkout.Cluster))
	// Output:
	// kubectl get record 0bdc1789b6c8605e3e175b24ae9f7052
	// kubectl get records -l cluster=paris
}

// A sink opens without its hub; what is wrong with that is an error of each write.
func ExampleNew() {
	sink, err := hub.New(hub.Options{
		Namespace: "fairlead-records",
		Config:    func() (*rest.Config, error) { return &rest.Config{Host: "https://hub.example"}, nil },
		QPS:       50, Burst: 100,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("closed:", sink.Close())
	// Output: closed: <nil>
}
