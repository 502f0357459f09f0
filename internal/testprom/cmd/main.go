// Command cmd builds promtool and the parser that tests of the mixin run, unless they are there, and prints
// their paths.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/fairlead-dev/fairlead/internal/testprom"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := 0
	for _, p := range testprom.Programs {
		path, err := p.Build(ctx, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
			break
		}
		fmt.Println(path)
	}
	stop()
	os.Exit(code)
}
