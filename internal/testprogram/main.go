package testprogram

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

// Main is the main of a program that builds others, unless they are there, and prints their
// paths. It returns the exit code.
func Main(programs ...*Program) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, p := range programs {
		path, err := p.Build(ctx, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(path)
	}
	return 0
}
