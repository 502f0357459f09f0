package main

import (
	"context"
	"os"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
)

func main() {
	os.Exit(lab.Main(newCommand(func(ctx context.Context, o *options) error {
		return play(ctx, o, newScreen(os.Stdout))
	})))
}
