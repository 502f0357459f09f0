package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// childEnv turns this test program into a child with a behaviour.
const childEnv = "FAIRLEAD_DEMO_TEST_CHILD"

func TestMain(m *testing.M) {
	behaviour := os.Getenv(childEnv)
	if behaviour == "" {
		goleak.VerifyTestMain(m)
		return
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Println("child is", behaviour)
	switch behaviour {
	case "obedient":
		<-asked
	case "failing":
		<-asked
		os.Exit(3)
	case "short-lived":
		os.Exit(4)
	case "deaf":
		select {}
	}
}
