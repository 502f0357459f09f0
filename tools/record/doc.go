// Command record runs a program in a terminal and makes a moving picture of what it
// shows, as an SVG that needs no script.
//
//	program ── pseudo terminal ──▶ cast ── terminal ──▶ frames ── film ──▶ SVG, light and dark
//
// The cast is a file in asciinema's format, version 2: the program's output with the
// time of each piece. With a cast that exists, the pictures are made without the
// program. Viewers that prefer reduced motion see the last frame.
//
// The terminal understands what progress displays use: text, carriage return, line
// feed, cursor up and erase below. Colours are chosen by what a line says.
package main
