// Package fuzz holds the fuzz targets of every parser and machine, with their
// corpora: what the line may send must never do harm.
package fuzz
