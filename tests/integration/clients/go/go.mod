module tests/native-clients

go 1.19

require (
	github.com/sharabao13/fdfs_client v0.0.0-20220624082934-564f07351e3f
	github.com/tedcy/fdfs_client v0.0.0-20200106031142-21a04994525a
)

require (
	github.com/Elemlee/weilaihui_goconfig v0.0.0-20210112012228-a2993d5d7875 // indirect
	github.com/sirupsen/logrus v1.9.3 // indirect
	golang.org/x/sys v0.0.0-20220715151400-c0bba94af5f8 // indirect
)
