package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	var o options
	flag.StringVar(&o.cast, "cast", "", "file of the recording; written if a program is given, else read")
	flag.StringVar(&o.light, "light", "", "file for the picture with a light background")
	flag.StringVar(&o.dark, "dark", "", "file for the picture with a dark background")
	flag.StringVar(&o.prompt, "prompt", "", "command line to show first, in place of the program's own")
	flag.Float64Var(&o.speed, "speed", 4, "how many times faster the picture is than the program")
	flag.IntVar(&o.columns, "columns", 104, "width of the terminal")
	flag.IntVar(&o.rows, "rows", 30, "height of the terminal")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: record -cast FILE -light FILE -dark FILE [PROGRAM ARGUMENT...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := o.run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	cast, light, dark, prompt string
	speed                     float64
	columns, rows             int
}

func (o *options) run(command []string) error {
	if o.cast == "" || o.light == "" || o.dark == "" || o.speed <= 0 {
		return errors.New("give -cast, -light and -dark, and a speed above 0")
	}
	if len(command) > 0 {
		c, err := record(command, o.columns, o.rows)
		if err != nil {
			return err
		}
		c.prompt, c.speed = o.prompt, o.speed
		if err := c.save(o.cast); err != nil {
			return err
		}
	}
	c, err := load(o.cast)
	if err != nil {
		return err
	}
	frames := c.frames()
	for file, p := range map[string]palette{o.light: light, o.dark: dark} {
		if err := os.WriteFile(file, film(frames, c.columns, c.rows, p), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%d frames\n", len(frames))
	return nil
}
