package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	root      string // the repository's
	out       string
	name      string // of the image, without a tag
	version   string
	revision  string
	platforms string // such as amd64,arm64
	created   time.Time
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", "..", "the repository's root")
	flag.StringVar(&o.out, "out", "../bin/fairlead.oci.tar", "file to write")
	flag.StringVar(&o.name, "name", "fairlead", "name of the image")
	flag.StringVar(&o.version, "version", "dev", "version of the program, and tag of the image")
	flag.StringVar(&o.revision, "revision", "unknown", "commit")
	flag.StringVar(&o.platforms, "platforms", "amd64,arm64", "processors")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	var err error
	if o.created, err = sourceDate(ctx, o.root); err != nil {
		return err
	}
	images, err := o.build(ctx)
	if err != nil {
		return err
	}
	text, digest, err := archive(o, images)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(o.out, text, 0o644); err != nil {
		return err
	}
	for _, i := range images {
		fmt.Printf("linux/%s: %.1f MB compressed\n", i.arch, float64(len(i.layer.compressed))/1e6)
	}
	fmt.Printf("%s %s\n", digest, o.out)
	return nil
}

// sourceDate returns SOURCE_DATE_EPOCH, or the time of the commit.
func sourceDate(ctx context.Context, root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		output, err := output(ctx, root, nil, "git", "log", "-1", "--format=%ct")
		if err != nil {
			return time.Time{}, fmt.Errorf("find the time of the commit; set SOURCE_DATE_EPOCH where there is no git: %w", err)
		}
		text = strings.TrimSpace(string(output))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// output runs a command in a folder, with more variables, and returns what it prints.
func output(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}
