// Jenkinsfile: a stage per shard, on any agents that have Python and the binary
pipeline {
  agent none
  stages {
    stage('plan') {
      agent any
      steps {
        checkout scm
        sh 'parallel-pytest plan --shards 4'
        stash name: 'plan', includes: '.parallel-pytest/plan.json'
      }
    }
    stage('test') {
      matrix {
        axes { axis { name 'SHARD'; values '1/4', '2/4', '3/4', '4/4' } }
        agent any
        stages {
          stage('shard') {
            steps {
              checkout scm
              unstash 'plan'
              sh 'python -m venv .venv && .venv/bin/pip install -e . pytest pytest-cov'
              // Whether its tests passed, the report says.
              sh 'parallel-pytest run --shard "$SHARD" -- .venv/bin/pytest --cov=src || true'
            }
            post { always { script { stash name: "shard-${SHARD.replace('/', '-of-')}", includes: '.parallel-pytest/shard-*/**' } } }
          }
        }
      }
    }
    stage('report') {
      agent any
      steps {
        checkout scm
        script { ['plan', 'shard-1-of-4', 'shard-2-of-4', 'shard-3-of-4', 'shard-4-of-4'].each { name -> catchError { unstash name } } }
        sh 'parallel-pytest publish --reports .parallel-pytest'
      }
      post { always { junit 'report/junit.xml'; archiveArtifacts 'report/**' } }
    }
  }
}
