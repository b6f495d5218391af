// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds Sotto builds fuzzers. Each executable but `corpus` is one fuzzer.
//
//   make fuzz                                                    builds and runs all of them
//   swift run -c release -Xswiftc -enable-testing --package-path Fuzzing corpus write     makes the seeds anew
//   swift run -c release -Xswiftc -enable-testing --package-path Fuzzing corpus replay    runs the corpus without libFuzzer

let settings: [SwiftSetting] = [
  .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("InternalImportsByDefault"),
]

let fuzzers = [
  "byte-reader", "mls-structures", "mls-tree", "mls-group", "mls-partial", "sotto-structures", "mailbox-engine", "server-network",
  "client-network",
]

let package = Package(
  name: "fuzzing",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "sotto", path: ".."), .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2")],
  targets: [
    .systemLibrary(name: "LibFuzzer", path: "Sources/LibFuzzer"),
    // A link into the tests: `swift test` runs the same targets over the corpus.
    .target(
      name: "FuzzTargets",
      dependencies: [
        .product(name: "MLS", package: "sotto"), .product(name: "MailboxEngine", package: "sotto"),
        .product(name: "MailboxServer", package: "sotto"), .product(name: "MailboxClient", package: "sotto"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOWebSocket", package: "swift-nio"),
      ],
      path: "Sources/FuzzTargets", swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]),
    .target(name: "FuzzShell", dependencies: ["LibFuzzer", "FuzzTargets"], path: "Sources/FuzzShell", swiftSettings: settings),
    .executableTarget(name: "corpus", dependencies: ["FuzzTargets"], path: "Sources/corpus", swiftSettings: settings),
  ]
    + fuzzers.map { name in
      .executableTarget(name: name, dependencies: ["FuzzShell", "FuzzTargets"], path: "Sources/\(name)", swiftSettings: settings)
    },
  swiftLanguageModes: [.v6]
)
