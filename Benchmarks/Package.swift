// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds Sotto pays for it. `make bench` builds and runs it.

let settings: [SwiftSetting] = [
  .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "benchmarks",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(name: "sotto", path: ".."), .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
  ],
  targets: [
    .target(name: "AllocationCounter", path: "AllocationCounter"),
    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "AllocationCounter",
        .product(name: "MLS", package: "sotto"), .product(name: "MLSTesting", package: "sotto"),
        .product(name: "MailboxEngine", package: "sotto"), .product(name: "ServerStorage", package: "sotto"),
        // Not linked: the program that is measured, which lies beside this one.
        .product(name: "sotto-server", package: "sotto"),
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      path: "Sources", swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
