module pppoectl

go 1.26
